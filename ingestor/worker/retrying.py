"""A retry of quarantine: kept payloads through the same code as live ones, once the cause is mended."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from broker.contract.topics import Address, Topics
from broker.errors import ContractError
from broker.mqtt.session import Inbound
from ingestor.batches.assembler import Assembler
from ingestor.batches.batch import Batch, Received
from ingestor.batches.conflicts import explain
from ingestor.batches.limits import Limits
from ingestor.batches.names import Names, Wanted
from ingestor.batches.records import Stored
from ingestor.batches.rows import micros
from ingestor.batches.store import Conflict
from ingestor.failures import Remedy, remedy_for
from ingestor.metrics import Metrics
from ingestor.worker import jobs
from ingestor.worker.jobs import Advance, Cursor, Job
from ingestor.worker.metrics import WorkerMetrics
from ingestor.worker.settings import WorkerSettings
from ingestor.worker.store import KeptPayload, resolve_frames, retry_frames
from ingestor.writing.writer import Writer
from store.codes import KIND_CODES
from store.errors import DATABASE_ERRORS
from store.pool import Pool
from store.rollups import database_now
from store.sql import Connection

log = structlog.get_logger()
PORTION: Final = 500
"""Payloads in one transaction, at most."""
PORTION_BYTES: Final = 8 * 1024 * 1024
"""The same in bytes; one payload is taken whatever its size."""
SPAN: Final = timedelta(hours=1)
"""Receipts in one portion lie no further apart: what is too far ahead is judged by the present, for all alike."""
_DEVICES: Final = "/devices/"


@dataclass(frozen=True, slots=True)
class _Rules:
    client_id: str
    earliest_at: datetime
    max_future_s: float


@dataclass(slots=True)
class _Judged:
    """One payload of a portion; `why` is what it is still refused for."""

    payload: KeptPayload
    received: Received
    assembler: Assembler | None
    batch: Batch
    why: str = ""


class Retrying:
    """Runs one job to its end, or until `stop`. A payload whose values are all stored is resolved, the others stay.

    A repeat changes nothing: readings, frames and events that are there stay, and the ledger has the first delivery.
    """

    def __init__(
        self, pool: Pool, settings: WorkerSettings, metrics: WorkerMetrics, job: Job, stop: asyncio.Event
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._metrics = metrics
        self._job = job
        self._stop = stop
        self._own = Metrics()
        self._names = Names(Limits(settings.max_devices, settings.meters_per_device, settings.series_per_meter))

    async def run(self) -> bool:
        """Do what is left of the job; True at its end, False where `stop` came first.

        Raises LostJobError, and database errors that time may heal.
        """
        cursor, job = self._job.cursor, self._job
        while not self._stop.is_set():
            behind = (cursor.received_at, cursor.frame or 0, job.last_frame, job.since)
            rows = await retry_frames(self._pool, *behind, PORTION, job.selection, PORTION_BYTES)
            if not rows:
                return True
            rows = [one for one in rows if one.received_at - rows[0].received_at <= SPAN]
            cursor = await self._store(rows, cursor)
        return False

    async def _store(self, payloads: Sequence[KeptPayload], cursor: Cursor) -> Cursor:
        """Store a portion in one transaction, or its halves where the database refuses something in it."""
        refusal = ""
        while True:
            try:
                return await self._store_once(payloads, cursor, refusal)
            except (*DATABASE_ERRORS, ValueError, OverflowError) as error:
                self._names.clear()
                if refusal or remedy_for(error) not in (Remedy.SPLIT, Remedy.STAGE, Remedy.PIECES):
                    raise
                if len(payloads) > 1:
                    half = len(payloads) // 2
                    return await self._store(payloads[half:], await self._store(payloads[:half], cursor))
                refusal = f"the database refuses it: {error}"

    async def _store_once(self, payloads: Sequence[KeptPayload], cursor: Cursor, refusal: str) -> Cursor:
        after = Cursor(0, payloads[-1].received_at, payloads[-1].id)
        async with self._pool.acquire() as connection:
            # before the transaction, which locks nothing while payloads are read
            judged = await self._judge(connection, payloads, refusal)
            async with connection.transaction():
                await self._enter(
                    connection, payloads, judged, Advance(cursor, after, len(payloads), 0, 0, 0, 0, {}, "")
                )
        return after

    async def _enter(
        self, connection: Connection, payloads: Sequence[KeptPayload], judged: list[_Judged], done: Advance
    ) -> None:
        def conflicting(_: Batch, conflicts: list[Conflict]) -> list[Stored]:
            asked = {one.received: one for one in judged if one.assembler is not None and not one.why}
            for received, stored in explain("", asked, conflicts, _take_apart):
                asked[received].why = stored.detail or stored.reason
            return []

        written = await Writer(conflicting).write(connection, _together(judged), staged=True)
        good = [one.payload.id for one in judged if not one.why]
        await resolve_frames(connection, good, payloads[0].received_at, payloads[-1].received_at)
        first = next((one for one in judged if one.why), None)
        done = replace(
            done,
            undecodable=len(payloads) - len(good),
            readings=written.rows,
            repeated=written.repeated,
            refused=written.conflicts,
            note=f"number {first.payload.id}: {first.why}" if first else "",
        )
        if await jobs.advance(connection, self._job, done):
            self._metrics.readings.inc(written.rows)
            self._metrics.repeated.inc(written.repeated)

    async def _judge(self, connection: Connection, payloads: Sequence[KeptPayload], refusal: str) -> list[_Judged]:
        await self._names.catch_up(connection)
        late_s = (await database_now(connection) - payloads[0].received_at).total_seconds()
        settings = self._settings
        rules = _Rules("wattline-worker", settings.earliest_at, settings.max_future_s + max(0.0, late_s))
        assemblers: dict[str, Assembler] = {}
        judged, wanted = [], Wanted()
        for each in payloads:
            one = _Judged(each, Received(_inbound(each), micros(each.received_at), doubtful=True), None, Batch())
            judged.append(one)
            root = each.topic.partition(_DEVICES)[0]
            one.why = refusal or _not_ours(Topics(root), each.topic)
            if one.why:
                continue
            if root not in assemblers:
                assemblers[root] = Assembler(rules, Topics(root), self._names, self._own)
            one.assembler = assemblers[root]
            one.assembler.add(one.batch, one.received)
            _add(wanted, one.assembler.wanted(one.batch))
        if wanted:
            await self._names.resolve(connection, wanted)
        for one in judged:
            if one.assembler is not None:
                one.assembler.complete(one.batch)
                one.why = "; ".join(row.detail or row.reason for row in _refused(one.batch))
        return judged


def _not_ours(topics: Topics, topic: str) -> str:
    """Why a payload is none that is stored: what the gateway refused, or a topic that is none of a device."""
    try:
        kind = topics.parse(topic).kind
    except ContractError as error:
        return str(error)
    return "" if kind in KIND_CODES else f"a message of {kind} is not stored by a retry"


def _inbound(payload: KeptPayload) -> Inbound:
    # it was acknowledged long ago, and is not again
    nobody: Any = None
    return Inbound(payload.topic, payload.data, False, 1, 0, None, None, nobody)


def _add(wanted: Wanted, more: Wanted) -> None:
    wanted.devices |= more.devices
    wanted.meters |= more.meters
    for of, points in more.points.items():
        wanted.points.setdefault(of, set()).update(points)


def _refused(batch: Batch) -> list[Stored]:
    return [stored for stored in batch.stored.values() if stored.kind == "payload"]


def _together(judged: Sequence[_Judged]) -> Batch:
    """All that can be stored, in one batch; what is still refused is in quarantine already, and a status is of then."""
    whole = Batch()
    for one in judged:
        batch = one.batch
        whole.received.append(one.received)
        whole.fresh += batch.readings
        whole.ledger += batch.ledger
        whole.ledger_rows += batch.ledger_rows
        whole.events |= batch.events
        for boot, (seq, told_us) in batch.boot_ends.items():
            whole.boot_ends[boot] = max(whole.boot_ends.get(boot, (0, told_us)), (seq, told_us))
        whole.device_ids |= batch.device_ids
        whole.stored |= {stored.delivery: stored for stored in batch.stored.values() if stored.kind == "frame"}
    return whole


def _take_apart(topic: str) -> Address:
    return Topics(topic.partition(_DEVICES)[0]).parse(topic)
