"""One job: kept frames decoded again into history; each portion and the cursor behind it are one transaction."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from broker.backoff import Backoff
from broker.errors import ContractError, PermanentError
from ingestor.batches.assembler import MOST_DAYS
from ingestor.batches.limits import Limits
from ingestor.batches.names import Names
from ingestor.batches.rows import micros
from ingestor.failures import Remedy, remedy_for
from ingestor.worker import jobs
from ingestor.worker.decoders import Broken, Decoders
from ingestor.worker.decoding import DecodedSlice, KeptFrame, Slice
from ingestor.worker.jobs import Advance, Cursor, Job
from ingestor.worker.meter_keys import keys_of
from ingestor.worker.metrics import WorkerMetrics
from ingestor.worker.portion import FrameMeter, Packed, Portion
from ingestor.worker.settings import WorkerSettings
from ingestor.worker.store import job_meters, spec_document
from ingestor.writing.writer import FEW_ROWS, MANY_ROWS, Writer, Written
from meters.specs.spec import spec_from
from meters.wires.meter_key import MeterKey
from store.errors import DATABASE_ERRORS, is_transient
from store.pool import Pool
from store.sql import Connection

log = structlog.get_logger()
AHEAD: Final = 2
"""Portions that are decoded while one is stored."""
STRAIGHT_BELOW: Final = 20
"""Readings go through staging while more than one in so many was there already."""
CRASHES_MAX: Final = 3
"""How often processes may die over one portion before it is taken for poison."""


@dataclass(slots=True)
class _Pending:
    """A portion on its way through the processes; the cursor before and behind it."""

    portion: Portion
    before: Cursor
    after: Cursor
    slices: list[Slice]
    futures: "list[asyncio.Future[DecodedSlice]]"


class Redecoding:
    """Runs one job to its end, or until `stop`; the same portion again changes nothing.

    At most AHEAD + 1 portions are in memory, each bounded by portion_frames and portion_mib.
    """

    def __init__(
        self,
        pool: Pool,
        decoders: Decoders,
        settings: WorkerSettings,
        metrics: WorkerMetrics,
        job: Job,
        stop: asyncio.Event,
    ) -> None:
        self._pool = pool
        self._decoders = decoders
        self._settings = settings
        self._metrics = metrics
        self._job = job
        self._stop = stop
        limits = Limits(meters_per_device=settings.meters_per_device, series_per_meter=settings.series_per_meter)
        self._names = Names(limits)
        self._writer = Writer()
        self._meters: dict[int, FrameMeter] = {}
        self._document = ""
        self._newest: dict[int, int] = {}
        self._staged = False

    async def run(self) -> bool:
        """Do what is left of the job; True at its end, False where `stop` came first.

        Raises PermanentError for what no repetition heals, LostJobError, and database errors while reading.
        """
        self._document = await self._read_spec()
        pending: deque[_Pending] = deque()
        cursor, more = self._job.cursor, True
        try:
            while (more or pending) and not self._stop.is_set():
                if more and len(pending) <= AHEAD:
                    found = await self._begin(cursor)
                    more = found is not None
                    if found is not None:
                        pending.append(found)
                        cursor = found.after
                    continue
                await self._end(pending.popleft())
        finally:
            for one in pending:
                for future in one.futures:
                    future.cancel()
        return not more and not pending

    async def _read_spec(self) -> str:
        name, _, version = self._job.spec.rpartition("@")
        document = await spec_document(self._pool, name, int(version))
        if document is None:
            raise PermanentError(f"{self._job.spec} is not published")
        try:
            spec_from(json.loads(document), origin=self._job.spec)
        except ContractError as error:
            raise PermanentError(
                f"{self._job.spec} can't be read by this version of Wattline: {error.field}: {error.reason}"
            ) from error
        return document

    async def _begin(self, cursor: Cursor) -> _Pending | None:
        """Read the next portion and give it to the processes."""
        settings = self._settings
        rows = await jobs.frames(
            self._pool, self._job, cursor, settings.portion_frames, settings.portion_mib * 1024 * 1024
        )
        if not rows:
            return None
        meters = await self._known({row.meter_id for row in rows})
        frames = tuple(
            KeptFrame(
                row.id,
                meters[row.meter_id].key,
                row.device or meters[row.meter_id].device or "",
                row.received_at,
                row.at,
                row.clock,
                row.reason,
                row.data,
            )
            for row in rows
        )
        portion = Portion(self._job.id, self._job.spec, {one.key: one for one in meters.values()})
        keys = await keys_of(self._pool, settings.meter_keys_file, meters)
        slices = self._slices(frames, portion, keys)
        last = rows[-1]
        after = Cursor(last.meter_id, last.received_at, last.id)
        return _Pending(portion, cursor, after, slices, [self._decoders.submit(part) for part in slices])

    async def _known(self, ids: set[int]) -> dict[int, FrameMeter]:
        """The meters of a portion; of the portions before, only these are remembered."""
        known = {number: self._meters[number] for number in ids & self._meters.keys()}
        missing = ids - known.keys()
        if missing:
            known |= {one.id: FrameMeter.of(one) for one in await job_meters(self._pool, list(missing))}
        self._meters = known
        return known

    def _slices(self, frames: tuple[KeptFrame, ...], portion: Portion, keys: Mapping[str, MeterKey]) -> list[Slice]:
        size = -(-len(frames) // self._decoders.processes)
        filters = {one.key: one.filter for one in portion.meters.values() if one.filter is not None}
        zones = {one.key: one.zone for one in portion.meters.values() if one.zone}
        earliest_us = micros(self._settings.earliest_at)
        future_us = round(self._settings.max_future_s * 1_000_000)
        return [
            Slice(
                self._job.spec,
                self._document,
                frames[start : start + size],
                filters,
                zones,
                earliest_us,
                future_us,
                keys,
            )
            for start in range(0, len(frames), size)
        ]

    async def _end(self, pending: _Pending) -> None:
        pending.portion.decoded = await self._decoded(pending)
        started_s = time.monotonic()
        await self._store(pending)
        self._metrics.portion_s.observe(time.monotonic() - started_s)

    async def _decoded(self, pending: _Pending) -> list[DecodedSlice]:
        crashes = 0
        while True:
            try:
                return [await future for future in pending.futures]
            except Broken as error:
                crashes += 1
                self._metrics.retries.labels("decoder_died").inc()
                first = pending.slices[0].frames[0].id
                if crashes >= CRASHES_MAX:
                    last = pending.slices[-1].frames[-1].id
                    raise PermanentError(f"a process died {crashes} times over frames {first} to {last}") from error
                log.warning("decoder_died", job=self._job.id, frame=first)
                pending.futures = [self._decoders.submit(part) for part in pending.slices]

    async def _store(self, pending: _Pending) -> None:
        """Store until it is committed, through outages. Raises PermanentError, LostJobError; gives up at `stop`."""
        backoff, pieces = Backoff(first_s=0.2, cap_s=10.0), False
        while True:
            try:
                await self._store_once(pending, pieces=pieces)
            except (*DATABASE_ERRORS, ValueError, OverflowError) as error:
                remedy = remedy_for(error)
                if remedy is Remedy.SPLIT or (remedy is Remedy.STAGE and self._staged):
                    raise PermanentError(f"the database refuses readings of the job: {error}") from error
                self._staged = True
                if remedy is Remedy.STAGE:
                    continue
                pieces = pieces or remedy is Remedy.PIECES
                self._names.clear()
                self._metrics.retries.labels(type(error).__name__).inc()
                delay_s = backoff.next_s()
                report = self._metrics.database.failed if is_transient(error) else log.warning
                report("portion_not_written", reason=str(error), job=self._job.id, retry_in_s=round(delay_s, 2))
                if await _comes_within(self._stop.wait(), delay_s):
                    raise
            else:
                return

    async def _store_once(self, pending: _Pending, *, pieces: bool) -> None:
        portion = pending.portion
        async with self._pool.acquire() as connection:
            await self._names.catch_up(connection)
            await self._names.resolve(connection, portion.wanted())
            packed = portion.packed(self._names, self._newest)
            if pieces or len(packed.batch.days()) > MOST_DAYS:
                # more locks than one transaction can have, or more chunks than one can make in its time: not with the
                # cursor, but a repeat changes nothing
                most_rows = FEW_ROWS if pieces else MANY_ROWS
                written = await self._writer.write_in_pieces(connection, packed.batch, most_rows)
                async with connection.transaction():
                    done = await self._advance(connection, pending, written, packed)
            else:
                async with connection.transaction():
                    written = await self._writer.write(connection, packed.batch, staged=self._staged)
                    done = await self._advance(connection, pending, written, packed)
        # where hardly anything was there already the straight way is the faster one again
        self._staged = self._staged and written.repeated * STRAIGHT_BELOW > packed.batch.rows
        self._newest = packed.newest
        if done is not None:
            self._count(done, packed)

    async def _advance(
        self, connection: Connection, pending: _Pending, written: Written, packed: Packed
    ) -> Advance | None:
        """Move the job's cursor; None where just this was committed before."""
        tallies = pending.portion.tallies()
        done = Advance(
            before=pending.before,
            after=pending.after,
            frames=sum(tally.frames for tally in tallies.values()),
            undecodable=sum(tally.undecodable for tally in tallies.values()),
            readings=written.rows,
            repeated=written.repeated + packed.dropped,
            refused=sum(packed.refused.values()),
            meters=tallies,
            note=pending.portion.note,
        )
        return done if await jobs.advance(connection, self._job, done) else None

    def _count(self, done: Advance, packed: Packed) -> None:
        metrics = self._metrics
        metrics.frames.labels("decoded").inc(done.frames - done.undecodable)
        metrics.frames.labels("undecodable").inc(done.undecodable)
        metrics.readings.inc(done.readings)
        metrics.repeated.inc(done.repeated)
        for reason, values in packed.refused.items():
            metrics.refused.labels(reason).inc(values)
        log.debug("portion_written", job=self._job.id, frames=done.frames, rows=done.readings)


async def _comes_within(event: Awaitable[Any], delay_s: float) -> bool:
    try:
        async with asyncio.timeout(delay_s):
            await event
    except TimeoutError:
        return False
    return True
