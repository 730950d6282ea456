"""Staged changes of parameters: what they are, who comes first, and what people may do to one. Pure functions."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, Literal

from pydantic import Json

from broker.contract.software import SoftwareState
from gateway.desired.layers import Layer
from gateway.faults import Fault, conflict, invalid
from gateway.fleet.audience import Audience, parse_audience, place

MAX_STEPS: Final = 100
SETTLE_S: Final = 60.0
TIMEOUT_S: Final = 600.0
WHOLE: Final = "100%"
READS_WITHIN_S: Final = 900.0
"""A device that gave a reading so shortly before a change must give one after it."""
StageState = Literal["running", "paused", "done", "rolled_back", "aborted"]
Verb = Literal["pause", "resume", "abort"]
_ACTS: Final[Mapping[Verb, tuple[StageState, tuple[StageState, ...]]]] = {
    "pause": ("paused", ("running",)),
    "resume": ("running", ("paused",)),
    "abort": ("aborted", ("running", "paused")),
}
"""What a person may do to a staged change: the state that it then has, and those in which it may be done."""
MemberState = Literal["pending", "applied", "healthy", "unchanged", "unreachable", "failed"]


def steps_of(words: Iterable[str]) -> list[str]:
    """Steps as a person writes them; commas part shares, and stay inside labels and lists of devices."""
    return [step for word in words for step in (word.split(",") if "%" in word and "=" not in word else [word]) if step]


@dataclass(frozen=True, slots=True)
class Terms:
    """How a staged change goes on: who gets it in each step, and how long a device may take, and do well."""

    steps: tuple[str, ...]
    settle_s: float
    timeout_s: float
    max_failed: float
    """Failures that are put up with, in percent of the devices that have the change."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A staged change as the store has it; `layer` is what the scope's layer is to become."""

    id: int
    scope: str
    base: int
    layer: Json[Layer]
    changes: tuple[str, ...]
    steps: tuple[str, ...]
    step: int
    settle_s: float
    timeout_s: float
    max_failed: float
    state: StageState
    why: str | None
    author: str
    reason: str | None
    step_at: datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device of the scope that may be chosen for a step."""

    id: int
    labels: Json[Mapping[str, str]]
    online: bool


@dataclass(frozen=True, slots=True)
class Member:
    """A device that has the change."""

    id: int
    name: str
    step: int
    version: int | None
    """The desired version that carried the change; None where it changed nothing for the device."""
    reads: bool
    """Whether its readings came before."""
    state: MemberState
    why: str | None = None
    applied_at: datetime | None = None
    software: int | None = None
    """The version of its desired software that carried the change; None where it changed none for the device."""

    @property
    def is_touched(self) -> bool:
        """Whether the change changed anything for it."""
        return self.version is not None or self.software is not None


@dataclass(frozen=True, slots=True)
class SoftwareSeen:
    """What a device's updater said last of the software that it is to run."""

    version: int = 0
    """Of the desired software; 0 where no updater of it ever spoke."""
    state: SoftwareState | None = None
    since: datetime | None = None
    reasons: tuple[str, ...] = ()
    probation_s: float = 0.0
    """How long it may take over a trial."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is observed of a member now."""

    online: bool
    reported_version: int
    reported_state: str | None
    reported_at: datetime | None
    probation: bool
    """It applied the change and may still go back by itself."""
    reasons: tuple[str, ...]
    reading_at: datetime | None
    """When its newest readings came, None where none came since it applied the change."""
    trouble: str | None
    """An event of the device by which it gave the change up."""
    interval_s: float
    """How often readings of it may be expected, by the parameters that it is to have."""
    held_back: tuple[str, ...] = ()
    """Fields of a reverted version that it has as before, while the rest of it is in force."""
    software: SoftwareSeen = SoftwareSeen()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done now, and why."""

    act: Literal["wait", "advance", "pause", "roll_back"]
    why: str = ""


def parse_steps(texts: Sequence[str], *, field: str = "steps") -> tuple[str, ...]:
    """Steps in their plain form, the whole scope added where it isn't the last. Raises Refusal by step."""
    if not 1 <= len(texts) <= MAX_STEPS:
        raise invalid(field, f"{len(texts)} steps", f"1 to {MAX_STEPS}")
    audiences = [parse_audience(text, field=f"{field}.{number}") for number, text in enumerate(texts)]
    shares = [(number, one.percent) for number, one in enumerate(audiences) if one.percent is not None]
    for (_, lower), (number, higher) in pairwise(shares):
        if higher <= lower:
            raise invalid(f"{field}.{number}", f"{higher:g}% is not above {lower:g}%", "let the shares rise")
    steps = [str(audience) for audience in audiences]
    return tuple(steps if steps[-1] == WHOLE else [*steps, WHOLE])


def is_due(stage: Stage, verb: Verb) -> bool:
    """Whether what a person asks for is to be done; False where the same was done. Raises Refusal: conflict."""
    done, allowed = _ACTS[verb]
    if stage.state in allowed:
        return True
    if stage.state == done:
        return False
    fault = Fault("stage", f"staged change {stage.id} is {stage.state}", f"GET /api/v1/stages/{stage.id} says why")
    raise conflict(f"{fault.reason}: it can't {verb}", [fault])


def picked(stage: Stage, candidates: Collection[Candidate], members: Collection[int]) -> list[int]:
    """The devices that the step in hand adds, by id.

    A share counts the devices that have the change already. Who is online comes first, so that a step can be judged;
    among them the order is by hash, and another for each stage.
    """
    audience: Audience = parse_audience(stage.steps[stage.step])
    fresh = [one for one in candidates if one.id not in members]
    if audience.percent is None:
        return [one.id for one in fresh if audience.holds(one.labels, "")]
    wanted = math.ceil(audience.percent * len(candidates) / 100) - (len(candidates) - len(fresh))
    salt = f"stage:{stage.id}"
    ordered = sorted(fresh, key=lambda one: (not one.online, place(one.labels["device"], salt), one.id))
    return [one.id for one in ordered[: max(0, wanted)]]
