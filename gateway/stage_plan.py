"""Staged changes of parameters: who comes first, how a device takes one, and what follows. Pure functions."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Literal

from broker.errors import ContractError
from gateway.audience import Audience, parse_audience, place
from gateway.layers import Layer
from gateway.wording import counted

MAX_STEPS: Final = 16
SETTLE_S: Final = 60.0
TIMEOUT_S: Final = 600.0
WHOLE: Final = "100%"
QUIET_INTERVALS: Final = 3
"""A meter may miss so many of its intervals before its device counts as silent."""
READS_WITHIN_S: Final = 900.0
"""A device that gave a reading so shortly before a change must give one after it."""
StageState = Literal["running", "paused", "done", "rolled_back", "aborted"]
MemberState = Literal["pending", "applied", "healthy", "unchanged", "unreachable", "failed"]


def steps_of(words: Iterable[str]) -> list[str]:
    """Steps as a person writes them; commas part shares, and stay inside labels and lists of devices."""
    return [step for word in words for step in (word.split(",") if "%" in word and "=" not in word else [word]) if step]


@dataclass(frozen=True, slots=True)
class Stage:
    """A staged change as the store has it; `layer` is what the scope's layer is to become."""

    id: int
    scope: str
    base: int
    layer: Layer
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
    labels: Mapping[str, str]
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


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a member now."""

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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done now, and why."""

    act: Literal["wait", "advance", "pause", "roll_back"]
    why: str = ""


def parse_steps(texts: Sequence[str], *, field: str = "steps") -> tuple[str, ...]:
    """Steps in their plain form, the whole scope added where it isn't the last. Raises ContractError by step."""
    if not 1 <= len(texts) <= MAX_STEPS:
        raise ContractError(f"{len(texts)} steps", field=field, fix=f"1 to {MAX_STEPS}")
    audiences = [parse_audience(text, field=f"{field}.{number}") for number, text in enumerate(texts)]
    shares = [(number, one.percent) for number, one in enumerate(audiences) if one.percent is not None]
    for (_, lower), (number, higher) in pairwise(shares):
        if higher <= lower:
            raise ContractError(
                f"{higher:g}% is not above {lower:g}%", field=f"{field}.{number}", fix="let the shares rise"
            )
    steps = [str(audience) for audience in audiences]
    return tuple(steps if steps[-1] == WHOLE else [*steps, WHOLE])


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


def seen(stage: Stage, member: Member, sight: Sight, now: datetime) -> Member:
    """The member as what is seen of it makes it."""
    if member.state == "failed" or member.version is None:
        return member
    if sight.trouble is not None:
        return replace(member, state="failed", why=f"event {sight.trouble}")
    if sight.reported_version < member.version:
        return _unreported(stage, member, sight, now)
    if sight.reported_state != "applied" and not _is_spared(stage, sight):
        told = "; ".join(sight.reasons) or "no reason given"
        return replace(member, state="failed", why=f"{sight.reported_state}: {told}"[:500])
    if member.state == "healthy":
        return member
    return _applied(stage, member, sight, now)


def _is_spared(stage: Stage, sight: Sight) -> bool:
    """Whether what the device holds back, reverted before, is nothing of this change."""
    ours = {f"parameters.{name}" for name in stage.changes}
    return sight.reported_state == "reverted" and bool(sight.held_back) and not ours & set(sight.held_back)


def _unreported(stage: Stage, member: Member, sight: Sight, now: datetime) -> Member:
    if now - stage.step_at < timedelta(seconds=stage.timeout_s):
        return member
    if not sight.online:
        return replace(member, state="unreachable", why="offline")
    return replace(member, state="failed", why=f"no report in {stage.timeout_s:g} s")


def _applied(stage: Stage, member: Member, sight: Sight, now: datetime) -> Member:
    since = member.applied_at or sight.reported_at or now
    applied = replace(member, state="applied", why=None, applied_at=since)
    if _is_unproved(stage, sight, since, now):
        return replace(applied, state="unreachable", why="never confirmed: no meter has given a reading by it")
    settled = not sight.probation and now - since >= timedelta(seconds=stage.settle_s)
    if not member.reads:
        return replace(applied, state="healthy") if settled else applied
    quiet = timedelta(seconds=max(stage.settle_s, QUIET_INTERVALS * sight.interval_s))
    if now - max(since, sight.reading_at or since) > quiet:
        return replace(applied, state="failed", why=f"no reading for {quiet.total_seconds():g} s")
    reads = sight.reading_at is not None and sight.reading_at > since
    return replace(applied, state="healthy") if settled and reads else applied


def _is_unproved(stage: Stage, sight: Sight, since: datetime, now: datetime) -> bool:
    """Whether it has been on probation for so long that no meter can be counted on to end that."""
    return sight.probation and now - since >= timedelta(seconds=stage.timeout_s)


def judged(stage: Stage, members: Iterable[Member], now: datetime) -> Verdict:
    """What follows from how all members took the change."""
    touched = [one for one in members if one.version is not None]
    failed = [one for one in touched if one.state == "failed"]
    if touched and 100 * len(failed) > stage.max_failed * len(touched):
        first = min(failed, key=lambda one: one.name)
        return Verdict(
            "roll_back", f"{len(failed)} of {counted(len(touched), 'device')} failed, such as {first.name}: {first.why}"
        )
    ours = [one for one in touched if one.step == stage.step]
    if any(one.state in ("pending", "applied") for one in ours):
        return Verdict("wait")
    if not ours:
        return Verdict("advance")
    if not any(one.state == "healthy" for one in touched):
        return Verdict(
            "pause", f"of {counted(len(touched), 'device')} with the change none could be judged: not online"
        )
    if now - stage.step_at < timedelta(seconds=stage.settle_s):
        return Verdict("wait")
    return Verdict("advance")
