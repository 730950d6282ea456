"""Jobs in the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Json

from store.sql import Database, statement

JobState = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """A meter whose frames a spec is to decode."""

    id: int
    spec: str


@dataclass(frozen=True, slots=True)
class AssignedSpec:
    """A meter in place, and what it is read by."""

    key: str
    spec: str | None


@dataclass(frozen=True, slots=True)
class OrphanedJob:
    """A job that the queue does not have, and when it is to be taken."""

    id: int
    kind: str
    priority: int
    delay: timedelta | None


@dataclass(frozen=True, slots=True)
class Job:
    """A job with its progress (0 to 1) and speed; `done` of `total` in its kind's own units."""

    job_id: int
    kind: str
    state: JobState
    spec: str
    since: datetime | None
    automatic: bool
    author: str
    reason: str | None
    meters: int
    total_frames: int | None
    frames: int
    undecodable: int
    readings: int
    repeated: int
    refused: int
    progress: float | None
    frames_s: float | None
    created_at: datetime
    started_at: datetime | None
    changed_at: datetime
    finished_at: datetime | None
    attempts: int
    note: str | None
    error: str | None
    arguments: Json[Mapping[str, object]]
    priority: int
    schedule: str | None
    not_before: datetime | None
    failures: int
    done: int
    total: int | None
    result: Json[object] | None


@dataclass(frozen=True, slots=True)
class ReportWants:
    """What a report names: its channel as people may see it, whether its group is there, a meter that is not."""

    shown: str | None
    has_group: bool
    unknown_meter: str | None


@statement
async def report_wants(
    database: Database, channel: str, group: str | None, meters: Sequence[str] | None
) -> ReportWants:
    """Whether what a report names is there."""


@dataclass(frozen=True, slots=True)
class ImportWants:
    """Whether what an import names is there; a mapping without a version is the one in force."""

    has_source: bool
    has_mapping: bool
    has_file: bool


@statement
async def import_wants(database: Database, source: str, version: int | None, file: int) -> ImportWants:
    """Whether what an import names is there."""


@statement
async def find_job(database: Database, number: int) -> Job | None:
    """One job."""


@statement
async def list_jobs(
    database: Database, before: int, state: str | None, spec: str | None, kind: str | None, limit: int
) -> list[Job]:
    """Jobs below a number, the newest first; of one state, of one spec (`name` or `name@version`), of one kind."""


@statement
async def same_job(database: Database, spec: str, since: datetime | None, meter_ids: Sequence[int]) -> int | None:
    """A job that nobody has taken yet and that does all of this anyway."""


@statement
async def join_job(database: Database, spec: str) -> int | None:
    """A job that nobody has taken yet and that can take more meters."""


@statement
async def add_job(
    database: Database, spec: str, since: datetime | None, automatic: bool, author: str, reason: str | None, most: int
) -> int | None:
    """Enter a job; None where so many wait or run already."""


@statement
async def add_job_meters(database: Database, number: int, meter_ids: Sequence[int]) -> None:
    """Add meters to a job; those that it has stay."""


@statement
async def assigned_spec_rows(database: Database, keys: Sequence[str]) -> list[AssignedSpec]:
    """The spec that each of these meters is read by, of those in place."""


@statement
async def undecoded_meters(database: Database, keys: Sequence[str], specs: Sequence[str]) -> list[MeterSpec]:
    """Of these meters with their specs those with kept frames that no job of that spec took or will take."""


@statement
async def late_frames(database: Database, since: datetime) -> list[MeterSpec]:
    """Meters of which frames came in since then that their device could not read, but their spec may."""


@statement
async def orphaned_jobs(database: Database) -> list[OrphanedJob]:
    """Unfinished jobs of which the queue knows nothing."""


@statement
async def same_retry(database: Database, selection: Json[Mapping[str, object]], since: datetime | None) -> int | None:
    """A retry of just this that nobody has taken yet."""


@statement
async def add_retry(
    database: Database, selection: Json[Mapping[str, object]], since: datetime | None, author: str,
    reason: str | None, most: int,
) -> int | None:  # fmt: skip
    """Enter a retry of payloads in quarantine; None where so many jobs wait or run already."""


@statement
async def cancel_job(database: Database, number: int, why: str) -> str | None:
    """End a job; returns its kind, None where it had ended."""


@statement
async def requeue_job(database: Database, number: int) -> OrphanedJob | None:
    """Have a job that failed or was cancelled wait again; None where it did not."""


@statement
async def forget_jobs(database: Database, kept: timedelta, kinds: Sequence[str], each: Sequence[timedelta]) -> None:
    """Delete what ended so long ago, of these kinds so long as each is kept."""
