"""Jobs in the store, the kept frames and payloads that they take, and how far they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from pydantic import Json

from store.sql import Connection, Database, statement

Selection: TypeAlias = Json[Mapping[str, object]] | None
"""Which payloads a retry takes: cause, device, meter, until, id."""
Saved: TypeAlias = Json[Mapping[str, object]] | None
"""Where a job goes on, or what came of it, as its kind says it."""


@dataclass(frozen=True, slots=True)
class TakenJob:
    """A job that somebody has just taken; `failures` and `deaths` of before, `saved` as its kind left it."""

    kind: str
    arguments: Json[Mapping[str, object]]
    author: str
    reason: str | None
    failures: int
    deaths: int
    saved: Saved
    done: int
    total: int | None
    selection: Selection
    spec: str
    since: datetime | None
    automatic: bool
    attempts: int
    last_frame: int | None
    total_frames: int | None
    frames: int
    cursor_meter: int | None
    cursor_received_at: datetime | None
    cursor_frame: int | None


class JobFrame(NamedTuple):
    """A kept frame of a job; `device` sent it, `clock` is its trust in its own, '' where unknown."""

    meter_id: int
    device: str | None
    received_at: datetime
    id: int
    at: datetime | None
    reason: str
    clock: str
    data: bytes


class KeptPayload(NamedTuple):
    """A payload in quarantine."""

    id: int
    received_at: datetime
    topic: str
    data: bytes


@dataclass(frozen=True, slots=True)
class JobMeter:
    """A meter whose frames a job takes, and the parameters of its device that say how."""

    id: int
    key: str
    device: str | None
    include: Json[tuple[str, ...] | None] | None
    exclude: Json[tuple[str, ...] | None] | None
    zone: str


@dataclass(frozen=True, slots=True)
class SealedKey:
    """The key of a meter, as it is kept."""

    meter: str
    master: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class JobTotals:
    """What a job that has ended has done, and what it took in seconds."""

    frames: int
    undecodable: int
    readings: int
    repeated: int
    refused: int
    seconds: float


class JobCount(NamedTuple):
    """Jobs of a kind in a state; how long the first of those that are due has waited."""

    kind: str
    state: str
    jobs: int
    oldest_s: float


class HeldJob(NamedTuple):
    """A job, and who has it in hand."""

    id: int
    worker: UUID


@dataclass(frozen=True, slots=True)
class ImportSource:
    """A source, the device that stands for it, and the version of its mapping in force."""

    name: str
    device_id: int
    version: int | None


@dataclass(frozen=True, slots=True)
class NewestBackups:
    """How old the newest good backups are, of whole ones and of those that were to be partial; which are scheduled."""

    whole_age_s: float | None
    partial_age_s: float | None
    whole_scheduled: bool
    partial_scheduled: bool


@statement
async def newest_backups(database: Database) -> NewestBackups:
    """What backups there are, by jobs that are done."""


@statement
async def source_of_import(database: Database, name: str) -> ImportSource | None:
    """A source."""


@statement
async def take_job(database: Database, number: int, holder: UUID, before: UUID | None) -> TakenJob | None:
    """Hold a job that has not ended; with `before` only where that holder has it, or nobody."""


@statement
async def frame_writers(database: Database) -> list[str]:
    """Transactions that have entered frames, or may yet."""


@statement
async def drop_reassigned_meters(database: Database, number: int, spec: str) -> None:
    """Take from a job the meters that have another spec by now."""


@statement
async def count_job_frames(database: Database, number: int, holder: UUID) -> None:
    """Note how many frames a job has."""


@statement
async def count_retry_frames(database: Database, number: int, holder: UUID) -> None:
    """Note how many payloads a retry has."""


@statement
async def job_frames(
    database: Database, number: int, last_frame: int, meter_id: int, received_at: datetime, frame: int,
    since: datetime | None, most: int, most_bytes: int,
) -> list[JobFrame]:  # fmt: skip
    """A job's next frames behind a meter, a time and a number; none at the end."""


@statement
async def job_meters(database: Database, meter_ids: Sequence[int]) -> list[JobMeter]:
    """What must be known of meters to decode their frames."""


@statement
async def job_keys(database: Database, meter_ids: Sequence[int]) -> list[SealedKey]:
    """The keys of those of these meters that have one."""


@statement
async def spec_document(database: Database, name: str, version: int) -> str | None:
    """A published spec, as JSON."""


@statement
async def retry_frames(
    database: Database, received_at: datetime, number: int, last_frame: int, since: datetime | None, most: int,
    selection: Selection, most_bytes: int,
) -> list[KeptPayload]:  # fmt: skip
    """A retry's next payloads behind a time and a number; none at the end."""


@statement
async def resolve_frames(connection: Connection, ids: Sequence[int], since: datetime, until: datetime) -> None:
    """Note that payloads, received between these times, are stored."""


@statement
async def advance_job(
    connection: Connection, number: int, holder: UUID, before: int | None, meter_id: int, received_at: datetime,
    frame: int | None, frames: int, undecodable: int, readings: int, repeated: int, refused: int, note: str | None,
) -> bool | None:  # fmt: skip
    """Move a job's cursor from frame `before` on; None where it does not stand there, or is not the holder's."""


@statement
async def job_cursor(connection: Connection, number: int, holder: UUID) -> int | None:
    """The last frame that is done of a job that this holder has."""


@statement
async def advance_job_meters(
    connection: Connection, number: int, meter_ids: Sequence[int], frames: Sequence[int], undecodable: Sequence[int],
    first_at: Sequence[datetime | None], last_at: Sequence[datetime | None],
) -> None:  # fmt: skip
    """Add what frames of meters gave."""


@statement
async def note_progress(
    connection: Database, number: int, holder: UUID, done: int, total: int | None, note: str | None
) -> bool | None:
    """Say how far a job is; None where it is not the holder's."""


@statement
async def save_job(
    connection: Connection, number: int, holder: UUID, saved: Json[Mapping[str, object]], done: int, total: int | None,
    note: str | None,
) -> bool | None:  # fmt: skip
    """Say where the next worker goes on, and how far a job is; None where it is not the holder's."""


@statement
async def held_jobs(database: Database, numbers: Sequence[int]) -> list[HeldJob]:
    """Those of these jobs that somebody has in hand."""


@statement
async def postpone_job(database: Database, number: int, holder: UUID, error: str, not_before: datetime) -> bool | None:
    """Give a job back that failed, for another attempt; None where it is not the holder's."""


@statement
async def finish_job(
    database: Database, number: int, holder: UUID, state: str, error: str | None, result: Saved, told: bool
) -> JobTotals | None:
    """End a job, with its event where it failed or `told`; None where it is not the holder's."""


@statement
async def release_job(database: Database, number: int, holder: UUID) -> None:
    """Give a job back, for another worker to go on with."""


@statement
async def count_jobs(database: Database) -> list[JobCount]:
    """Jobs that wait, run, or failed within a day, by kind and state."""


@statement
async def meter_series(database: Database, meter: str) -> list[int] | None:
    """The series of a meter; None where there is no such meter."""
