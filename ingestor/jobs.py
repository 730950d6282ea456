"""Jobs in the store as a worker sees them: taken, advanced, ended, always by the one who holds them."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

import asyncpg
import structlog

from broker.errors import WattlineError
from ingestor.decoding import Tally
from ingestor.names import Connection
from ingestor.rows import instant
from store.pool import Pool
from store.queries import load

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
    kind: str = "redecode"
    selection: str | None = None
    """Of a retry: which payloads, as JSON."""


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
    row = await pool.fetchrow(load("take_job"), job_id, holder, before)
    if row is None:
        return None
    await _frames_settled(pool, job_id)
    if row["automatic"]:
        await pool.execute(load("drop_reassigned_meters"), job_id, row["spec"])
    if row["total_frames"] is None:
        try:
            counting = "count_retry_frames" if row["kind"] == "retry" else "count_job_frames"
            await pool.execute(load(counting), job_id, holder)
        except asyncpg.QueryCanceledError:
            log.warning("job_frames_not_counted", job=job_id, note="too many to count: its progress is not known")
    cursor = Cursor()
    if row["cursor_frame"] is not None:
        cursor = Cursor(row["cursor_meter"], row["cursor_received_at"], row["cursor_frame"])
    log.info("job_taken", job=job_id, spec=row["spec"], attempt=row["attempts"], frames_done=row["frames"])
    asked = (row["spec"], row["since"], row["last_frame"], cursor, row["kind"], row["selection"])
    return Job(job_id, holder, *asked)


async def _frames_settled(pool: Pool, job_id: int) -> None:
    """Wait for those who were entering frames when the job was taken.

    Such a frame may have a number up to last_frame and not be there yet: neither this job nor one for late frames
    would see it.
    """
    writers = {row["virtualtransaction"] for row in await pool.fetch(load("frame_writers"))}
    said_s = time.monotonic()
    while writers:
        if time.monotonic() - said_s > _SAY_S:
            log.warning("job_waits_for_frames", job=job_id, transactions=sorted(writers))
            said_s = time.monotonic()
        await asyncio.sleep(_POLL_S)
        writers &= {row["virtualtransaction"] for row in await pool.fetch(load("frame_writers"))}


async def frames(pool: Pool, job: Job, cursor: Cursor, most: int, most_bytes: int) -> "list[asyncpg.Record]":
    """The next frames behind the cursor; none at the end."""
    return await pool.fetch(
        load("job_frames"), job.id, job.last_frame, *cursor[:2], cursor.frame or 0, job.since, most, most_bytes
    )


async def advance(connection: Connection, job: Job, done: Advance) -> bool:
    """Move the cursor, in the transaction that stores the readings; False where just this was committed before.

    Raises LostJobError where the job is no longer this worker's.
    """
    counts = (done.frames, done.undecodable, done.readings, done.repeated, done.refused, done.note or None)
    moved = await connection.fetchval(load("advance_job"), job.id, job.holder, done.before.frame, *done.after, *counts)
    if moved is None:
        where = "SELECT cursor_frame FROM job WHERE id = $1 AND worker = $2 AND state = 'running'"
        if await connection.fetchval(where, job.id, job.holder) != done.after.frame:
            raise LostJobError(f"job {job.id} was cancelled or taken over")
        return False
    meters = done.meters.items()
    await connection.execute(
        load("advance_job_meters"),
        job.id,
        [meter_id for meter_id, _ in meters],
        [tally.frames for _, tally in meters],
        [tally.undecodable for _, tally in meters],
        *_ranges([tally for _, tally in meters]),
    )
    return True


async def finish(pool: Pool, job: Job, state: str, error: str | None = None) -> "asyncpg.Record | None":
    """End a job as `done`, `failed` or `cancelled`, with its event; its totals, None where it is no longer ours."""
    return await pool.fetchrow(load("finish_job"), job.id, job.holder, state, error)


async def release(pool: Pool, job: Job) -> None:
    """Give a job back, for another worker to go on with."""
    await pool.execute(load("release_job"), job.id, job.holder)


def _ranges(tallies: Sequence[Tally]) -> tuple[list[datetime | None], list[datetime | None]]:
    firsts = [None if tally.first_us is None else instant(tally.first_us) for tally in tallies]
    lasts = [None if tally.last_us is None else instant(tally.last_us) for tally in tallies]
    return firsts, lasts
