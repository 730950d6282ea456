"""Rollouts in the store, and what is observed of a canary's meters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Json

from gateway.specs.rollouts.jumps import Pair
from gateway.specs.rollouts.verdict import Counts
from store.sql import Database, statement

State = Literal["canary", "released", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Rollout:
    """A published spec with its rollout; what is of the rollout is None where it always was for all."""

    name: str
    version: int
    protocol: str
    state: State | None
    audience: str | None
    limits: Json[dict[str, float]] | None
    started_at: datetime | None
    deprecated: bool

    @property
    def ref(self) -> str:
        """Its name and version."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Canary:
    """A version that is for a part of the fleet; it began then."""

    name: str
    version: int
    limits: Json[dict[str, float]]
    started_at: datetime

    @property
    def ref(self) -> str:
        """Its name and version."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class ListedRollout:
    """A rollout as people see it."""

    spec: str
    version: int
    state: State
    audience: str
    limits: Json[dict[str, float]]
    author: str
    reason: str | None
    started_at: datetime
    changed_at: datetime
    meters: int
    devices: int
    figures: Json[dict[str, object]]
    judged_at: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a rollout, with the figures that led to it."""

    state: State
    audience: str
    author: str
    reason: str | None
    at: datetime
    figures: Json[dict[str, object]]


@dataclass(frozen=True, slots=True)
class CanaryMeter:
    """A meter that has a canary; `before` is what read it until then."""

    meter_id: int
    key: str
    device_id: int
    before: str | None
    given_at: datetime
    reachable: bool | None
    """Whether its device is there and has taken the canary; None where that never reported."""
    reverted: bool


@dataclass(frozen=True, slots=True)
class RestMeter:
    """A meter that still has what the canary's meters had."""

    meter_id: int
    key: str
    device_id: int
    reachable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryCounts(Counts):
    """What came of a meter in its span of time."""

    top: int


@dataclass(frozen=True, slots=True)
class CanaryEdge:
    """Until when readings of a meter, a canary's own or one behind it, came by another spec."""

    top: int
    meter_id: int
    old_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryJump(Pair):
    """The last reading of a meter's series by the spec before, and one by the canary."""

    top: int


@dataclass(frozen=True, slots=True)
class RefusedValue:
    """A value that the canary refuses, by its address on the wire."""

    meter_id: int
    address: str | None


@dataclass(frozen=True, slots=True)
class ImpossiblePayload:
    """A payload in quarantine."""

    data: bytes
    reason: Literal["implausible_time", "implausible_value"]


@statement
async def rollout_row(database: Database, name: str, version: int) -> Rollout | None:
    """A published spec with its rollout."""


@statement
async def set_rollout(
    database: Database, name: str, version: int, state: str, audience: str, limits: Json[Mapping[str, float]],
    author: str, reason: str | None,
) -> None:  # fmt: skip
    """Make this the state of a rollout. A canary that goes on keeps its beginning and its figures."""


@statement
async def add_rollout_step(
    database: Database, name: str, version: int, state: str, audience: str, author: str, reason: str | None,
    figures: Json[Mapping[str, object]],
) -> None:  # fmt: skip
    """Keep who took a step, and why."""


@statement
async def recall_before(database: Database, name: str, version: int, spec: str) -> None:
    """Note what the meters of a version that was for all had before it."""


@statement
async def list_rollouts(
    database: Database, state: str | None, name: str | None, version: int | None, limit: int
) -> list[ListedRollout]:
    """Rollouts, those changed last first: of a state, or one."""


@statement
async def rollout_steps(database: Database, name: str, version: int) -> list[Step]:
    """The newest hundred steps of a rollout."""


@statement
async def rollout_devices(database: Database, name: str, version: int, limit: int) -> list[str]:
    """Devices whose meters have the version."""


@statement
async def known_devices(database: Database, names: Sequence[str]) -> list[str]:
    """Those of these devices that are there."""


@statement
async def take_judge_lock(database: Database) -> bool:
    """Whether this gateway judges now; until its transaction ends no other does."""


@statement
async def canaries(database: Database) -> list[Canary]:
    """All canaries."""


@statement
async def set_rollout_figures(
    database: Database, name: str, version: int, started_at: datetime, figures: Json[Mapping[str, object]]
) -> None:
    """Keep the figures of a canary that began then."""


@statement
async def canary_meters(database: Database, name: str, version: int) -> list[CanaryMeter]:
    """The meters that have a canary."""


@statement
async def canary_rest(database: Database, specs: Sequence[str]) -> list[RestMeter]:
    """Meters that one of these specs reads."""


@statement
async def canary_counts(
    database: Database, meter_ids: Sequence[int], since: Sequence[datetime], until: Sequence[datetime],
    first: datetime, last: datetime, spec: str | None,
) -> list[CanaryCounts]:  # fmt: skip
    """What came of meters, each in its own span, by one spec or by any; `first` to `last` hold all spans."""


@statement
async def canary_edges(
    database: Database, meter_ids: Sequence[int], given_at: Sequence[datetime], spec: str, since: datetime
) -> list[CanaryEdge]:
    """Until when readings of these meters came by other specs, of those that have begun to come by this one."""


@statement
async def canary_jumps(
    database: Database, tops: Sequence[int], meter_ids: Sequence[int], old_until: Sequence[datetime]
) -> list[CanaryJump]:
    """Of each series of meters the last reading until a time, with the first and the newest after it."""


@statement
async def canary_refused(
    database: Database, meter_ids: Sequence[int], spec: str, since: datetime
) -> list[RefusedValue]:
    """Values that a spec refuses and that none refused of the same meter before."""


@statement
async def canary_times(database: Database, device_ids: Sequence[int], since: datetime) -> list[ImpossiblePayload]:
    """The newest payloads of devices in quarantine for an impossible time or value."""
