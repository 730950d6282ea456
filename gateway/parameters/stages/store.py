"""Staged changes of parameters in the store, and what is observed of their devices."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import Json

from broker.contract.software import SoftwareState
from gateway.desired.layers import Layer
from gateway.faults import unknown
from gateway.parameters.scopes import Scope
from gateway.parameters.stages.plan import (
    READS_WITHIN_S,
    Candidate,
    Member,
    MemberState,
    Observation,
    SoftwareSeen,
    Stage,
    StageState,
)  # fmt: skip
from store.sql import Connection, Database, statement

TROUBLE: Final = ("config_reverted",)
"""Events by which a device says that it gave a configuration up."""


@dataclass(frozen=True, slots=True)
class StageOverview:
    """A staged change as people see it; `step` counts from 1."""

    id: int
    scope: str
    state: StageState
    layer: Json[Layer]
    changes: list[str]
    step: int
    steps: list[str]
    devices: int
    pending: int
    healthy: int
    unchanged: int
    unreachable: int
    failed: int
    max_failed_percent: float
    settle_s: float
    timeout_s: float
    why: str | None
    version: int | None
    author: str
    reason: str | None
    created_at: datetime
    step_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class ListedMember:
    """A device of a staged change as people see it; `step` counts from 1."""

    device: str
    step: int
    version: int | None
    software: int | None
    state: str
    why: str | None
    given_at: datetime
    applied_at: datetime | None


@dataclass(frozen=True, slots=True)
class ObservedMember:
    """A device of a staged change, with all that the store knows of it but its readings."""

    id: int
    name: str
    step: int
    version: int | None
    software: int | None
    reads: bool
    state: MemberState
    why: str | None
    given_at: datetime
    applied_at: datetime | None
    online: bool
    reported_version: int | None
    reported_state: str | None
    reported_at: datetime | None
    reasons: Json[list[Mapping[str, object]]] | None
    probation: bool
    in_force: int | None
    held_back: list[str] | None
    interval_s: float | None
    trouble: str | None
    software_version: int | None
    software_state: SoftwareState | None
    software_since: datetime | None
    software_reasons: Json[list[Mapping[str, object]]] | None
    software_probation_s: float | None

    def member(self) -> Member:
        """How it took the change, as was last noted."""
        return Member(
            self.id, self.name, self.step, self.version, self.reads, self.state, self.why, self.applied_at,
            self.software,
        )  # fmt: skip

    def observation(self, reading_at: datetime | None) -> Observation:
        """What is observed of it, its newest readings having come then."""
        return Observation(
            online=self.online,
            reported_version=self.reported_version or 0,
            reported_state=self.reported_state,
            reported_at=self.reported_at,
            probation=self.probation,
            reasons=_in_words(self.reasons),
            reading_at=reading_at,
            trouble=self.trouble,
            interval_s=self.interval_s or 0.0,
            held_back=tuple(self.held_back or ()) if self.in_force == self.reported_version else (),
            software=SoftwareSeen(
                self.software_version or 0, self.software_state, self.software_since, _in_words(self.software_reasons),
                self.software_probation_s or 0.0,
            ),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class NewestReading:
    """When a device's newest readings came."""

    device_id: int
    received_at: datetime


@statement
async def add_stage(
    database: Database, scope: str, base: int, layer: Json[Mapping[str, object]], changes: Sequence[str],
    steps: Sequence[str], settle_s: float, timeout_s: float, max_failed: float, author: str, reason: str | None,
) -> Stage:  # fmt: skip
    """Enter a staged change in its first step, without devices."""


@statement
async def find_stage(database: Database, number: int) -> Stage | None:
    """One staged change."""


@statement
async def running_stages(database: Database) -> list[int]:
    """The staged changes that go on by themselves."""


@statement
async def stage_overview(database: Database, number: int) -> StageOverview | None:
    """One staged change as people see it."""


@statement
async def stage_page(database: Database, before: int, state: str | None, limit: int) -> list[StageOverview]:
    """Staged changes below a number, the newest first; all states, or one."""


@statement
async def member_page(database: Database, number: int, after: str, state: str | None, limit: int) -> list[ListedMember]:
    """A staged change's devices after a name, by name; all states, or one."""


@statement
async def set_stage(
    database: Database, number: int, state: StageState, step: int, why: str | None = None, result: int | None = None,
    restart: bool = False,
) -> None:  # fmt: skip
    """Put a staged change into a state; `restart` begins its step's time anew."""


@statement
async def scope_candidates(database: Database, device_ids: Sequence[int]) -> list[Candidate]:
    """These devices, as a step chooses among them."""


@statement
async def add_members(
    database: Database, number: int, device_ids: Sequence[int], reads: Sequence[bool], step: int
) -> None:
    """Enter devices as having the change from now on, and whether readings of them come."""


@statement
async def note_versions(
    database: Database, number: int, step: int, configured: Sequence[str], installing: Sequence[int],
    versions: Sequence[int],
) -> None:  # fmt: skip
    """Note the desired version of those (by name) whose configuration this step changed.

    Beside it that of the software of those (by id) that are to run another; the rest is unchanged.
    """


@statement
async def note_reissued(database: Database, number: int, device_ids: Sequence[int], versions: Sequence[int]) -> None:
    """Note the version by which these devices try their software again."""


@statement
async def retry_members(database: Database, number: int) -> None:
    """Give devices that failed or could not be reached another chance."""


@statement
async def save_members(
    database: Database, rows: Sequence[tuple[int, int, MemberState, str | None, datetime | None]]
) -> None:
    """Keep how devices take the change: stage, device, state, why, and since when it is applied."""


@statement
async def observed_members(database: Database, number: int, trouble: Sequence[str]) -> list[ObservedMember]:
    """All devices that have the change; `trouble` are events that speak against it."""


@statement
async def newest_readings(
    database: Database, device_ids: Sequence[int], within_s: float | None, since: datetime | None
) -> list[NewestReading]:
    """When the newest readings of devices came, of those whose came since then or within so many seconds."""


def _in_words(reasons: Sequence[Mapping[str, object]] | None) -> tuple[str, ...]:
    return tuple(f"{one.get('field')}: {one.get('reason')}" for one in reasons or ())


async def require_stage(database: Database, number: int) -> Stage:
    """One staged change. Raises Refusal: unknown."""
    found = await find_stage(database, number)
    if found is None:
        raise unknown("stage", str(number))
    return found


async def candidates(connection: Connection, scope: Scope) -> list[Candidate]:
    """The devices of a scope that may be chosen."""
    return await scope_candidates(connection, await scope.device_ids(connection))


async def enter_members(connection: Connection, stage: Stage, device_ids: Sequence[int]) -> None:
    """Enter devices as having the change from now on, and whether readings of them come."""
    reading = {one.device_id for one in await newest_readings(connection, device_ids, READS_WITHIN_S, None)}
    await add_members(connection, stage.id, device_ids, [one in reading for one in device_ids], stage.step)


async def observe(connection: Connection, stage: Stage) -> list[tuple[Member, Observation]]:
    """All devices that have the change, with what is observed of each."""
    rows = await observed_members(connection, stage.id, TROUBLE)
    waiting = [one for one in rows if one.reads and one.state in ("pending", "applied", "unreachable")]
    readings: dict[int, datetime] = {}
    if waiting:
        since = min(one.given_at for one in waiting)
        newest = await newest_readings(connection, [one.id for one in waiting], None, since)
        readings = {one.device_id: one.received_at for one in newest}
    return [(one.member(), one.observation(readings.get(one.id))) for one in rows]


async def members(connection: Connection, stage: Stage) -> list[Member]:
    """All devices that have the change."""
    return [one.member() for one in await observed_members(connection, stage.id, TROUBLE)]


async def save(connection: Connection, stage: Stage, changed: Collection[Member]) -> None:
    """Keep how devices take the change."""
    await save_members(connection, [(stage.id, one.id, one.state, one.why, one.applied_at) for one in changed])
