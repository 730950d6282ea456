"""Jobs in the store as a worker sees them: taken, advanced, ended, always by the one who holds them."""

import asyncio
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

import asyncpg
import structlog

from broker.errors import WattlineError
from ingestor.batches.rows import instant
from ingestor.worker.decoding import Tally
from ingestor.worker.store import (
    JobFrame,
    JobTotals,
    Saved,
    Selection,
    TakenJob,
    advance_job,
    advance_job_meters,
    count_job_frames,
    count_retry_frames,
    drop_reassigned_meters,
    finish_job,
    frame_writers,
    job_cursor,
    job_frames,
    release_job,
    take_job,
)  # fmt: skip
from store.pool import Pool
from store.sql import Connection

log = structlog.get_logger()
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_POLL_S: Final = 0.05
_SAY_S: Final = 10.0


class LostJobError(WattlineError):
    """Another worker took the job over, or somebody cancelled it: nothing more may be written for it."""


class Cursor(NamedTuple):
    """The last frame that is done; the first one is before all of them."""

    meter_id: int = 0
    received_at: datetime = _LONG_AGO
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job that this worker holds; `holder` is what makes it this worker's."""

    id: int
    holder: uuid.UUID
    spec: str
    since: datetime | None
    last_frame: int
    cursor: Cursor
    taken: TakenJob
    """As it stood when it was taken."""

    @property
    def selection(self) -> Selection:
        """Of a retry: which payloads."""
        return self.taken.selection


@dataclass(frozen=True, slots=True)
class Advance:
    """What one portion did, and where the job stands behind it. `meters` by id."""

    before: Cursor
    after: Cursor
    frames: int
    undecodable: int
    readings: int
    repeated: int
    refused: int
    meters: dict[int, Tally]
    note: str


async def take(pool: Pool, job_id: int, before: uuid.UUID | None = None) -> Job | None:
    """Hold a job from now on, wherever it stands; None where it has ended.

    With `before`, the holder that one was, None also where somebody else has it by now.
    """
    holder = uuid.uuid4()
    found = await take_job(pool, job_id, holder, before)
    if found is None:
        return None
    cursor = Cursor()
    if found.cursor_meter is not None and found.cursor_received_at is not None:
        cursor = Cursor(found.cursor_meter, found.cursor_received_at, found.cursor_frame)
    log.info("job_taken", job=job_id, kind=found.kind, attempt=found.attempts, failures=found.failures)
    return Job(job_id, holder, found.spec, found.since, found.last_frame or 0, cursor, found)


async def see_frames(pool: Pool, job: Job) -> None:
    """See that all frames that are the job's are there, and how many they are."""
    await _frames_settled(pool, job.id)
    if job.taken.automatic:
        await drop_reassigned_meters(pool, job.id, job.spec)
    if job.taken.total_frames is None:
        try:
            await (count_retry_frames if job.taken.kind == "retry" else count_job_frames)(pool, job.id, job.holder)
        except asyncpg.QueryCanceledError:
            log.warning("job_frames_not_counted", job=job.id, note="too many to count: its progress is not known")


async def _frames_settled(pool: Pool, job_id: int) -> None:
    """Wait for those who were entering frames when the job was taken.

    Such a frame may have a number up to last_frame and not be there yet: neither this job nor one for late frames
    would see it.
    """
    writers = set(await frame_writers(pool))
    said_s = time.monotonic()
    while writers:
        if time.monotonic() - said_s > _SAY_S:
            log.warning("job_waits_for_frames", job=job_id, transactions=sorted(writers))
            said_s = time.monotonic()
        await asyncio.sleep(_POLL_S)
        writers &= set(await frame_writers(pool))


async def frames(pool: Pool, job: Job, cursor: Cursor, most: int, most_bytes: int) -> list[JobFrame]:
    """The next frames behind the cursor; none at the end."""
    return await job_frames(
        pool, job.id, job.last_frame, cursor.meter_id, cursor.received_at, cursor.frame or 0, job.since, most,
        most_bytes,
    )  # fmt: skip


async def advance(connection: Connection, job: Job, done: Advance) -> bool:
    """Move the cursor, in the transaction that stores the readings; False where just this was committed before.

    Raises LostJobError where the job is no longer this worker's.
    """
    moved = await advance_job(
        connection, job.id, job.holder, done.before.frame, *done.after, done.frames, done.undecodable, done.readings,
        done.repeated, done.refused, done.note or None,
    )  # fmt: skip
    if not moved:
        if await job_cursor(connection, job.id, job.holder) != done.after.frame:
            raise LostJobError(f"job {job.id} was cancelled or taken over")
        return False
    tallies = done.meters.values()
    await advance_job_meters(
        connection,
        job.id,
        list(done.meters),
        [tally.frames for tally in tallies],
        [tally.undecodable for tally in tallies],
        [None if tally.first_us is None else instant(tally.first_us) for tally in tallies],
        [None if tally.last_us is None else instant(tally.last_us) for tally in tallies],
    )
    return True


async def finish(
    pool: Pool, job: Job, state: str, error: str | None = None, result: Saved = None, *, told: bool = True
) -> JobTotals | None:
    """End a job as `done` or `failed`, with its event; its totals, None where it is no longer ours."""
    return await finish_job(pool, job.id, job.holder, state, error, result, told)


async def release(pool: Pool, job: Job) -> None:
    """Give a job back, for another worker to go on with."""
    await release_job(pool, job.id, job.holder)
