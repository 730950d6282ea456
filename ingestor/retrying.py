"""A retry of quarantine: kept payloads through the same code as live ones, once the cause is mended."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from broker.errors import ContractError
from broker.session import Inbound
from broker.topics import Topics
from ingestor import jobs
from ingestor.assembler import Assembler
from ingestor.batch import Batch, Received
from ingestor.conflicts import Conflict, explain
from ingestor.failures import DATABASE_ERRORS, Remedy, remedy_for
from ingestor.jobs import Advance, Cursor, Job
from ingestor.metrics import Metrics
from ingestor.names import Connection, Limits, Names, Wanted
from ingestor.records import Stored
from ingestor.rows import micros
from ingestor.worker_metrics import WorkerMetrics
from ingestor.worker_settings import WorkerSettings
from ingestor.writer import Writer
from store.codes import KIND_CODES
from store.pool import Pool
from store.queries import load
from store.rollups import database_now

log = structlog.get_logger()
PORTION: Final = 500
"""Payloads in one transaction."""
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

    row: Any
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
            behind = (cursor.received_at, cursor.frame or 0, job.last_frame, job.since, PORTION, job.selection)
            rows = await self._pool.fetch(load("retry_frames"), *behind)
            if not rows:
                return True
            rows = [row for row in rows if row["received_at"] - rows[0]["received_at"] <= SPAN]
            cursor = await self._store(rows, cursor)
        return False

    async def _store(self, rows: Sequence[Any], cursor: Cursor) -> Cursor:
        """Store a portion in one transaction, or its halves where the database refuses something in it."""
        refusal = ""
        while True:
            try:
                return await self._store_once(rows, cursor, refusal)
            except (*DATABASE_ERRORS, ValueError, OverflowError) as error:
                self._names.clear()
                if refusal or remedy_for(error) not in (Remedy.SPLIT, Remedy.STAGE, Remedy.PIECES):
                    raise
                if len(rows) > 1:
                    half = len(rows) // 2
                    return await self._store(rows[half:], await self._store(rows[:half], cursor))
                refusal = f"the database refuses it: {error}"

    async def _store_once(self, rows: Sequence[Any], cursor: Cursor, refusal: str) -> Cursor:
        after = Cursor(0, rows[-1]["received_at"], rows[-1]["id"])
        async with self._pool.acquire() as connection, connection.transaction():
            judged = await self._judge(connection, rows, refusal)
            whole = _together(judged)

            def conflicting(_: Batch, conflicts: list[Conflict]) -> list[Stored]:
                for one in judged:
                    if one.assembler is not None and not one.why:
                        one.why = _conflict(one, conflicts)
                return []

            written = await Writer(conflicting).write(connection, whole, staged=True)
            good = [one.row["id"] for one in judged if not one.why]
            await connection.execute(load("resolve_frames"), good, rows[0]["received_at"], rows[-1]["received_at"])
            first = next((one for one in judged if one.why), None)
            note = f"number {first.row['id']}: {first.why}" if first else ""
            counts = (len(rows), len(rows) - len(good), written.rows, written.repeated, written.conflicts)
            if await jobs.advance(connection, self._job, Advance(cursor, after, *counts, {}, note)):
                self._metrics.readings.inc(written.rows)
                self._metrics.repeated.inc(written.repeated)
        return after

    async def _judge(self, connection: Connection, rows: Sequence[Any], refusal: str) -> list[_Judged]:
        late_s = (await database_now(connection) - rows[0]["received_at"]).total_seconds()
        settings = self._settings
        rules = _Rules("wattline-worker", settings.earliest_at, settings.max_future_s + max(0.0, late_s))
        assemblers: dict[str, Assembler] = {}
        judged, wanted = [], Wanted()
        for row in rows:
            one = _Judged(row, Received(_inbound(row), micros(row["received_at"]), doubtful=True), None, Batch())
            judged.append(one)
            root = row["topic"].partition(_DEVICES)[0]
            one.why = refusal or _not_ours(Topics(root), row["topic"])
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


def _inbound(row: Any) -> Inbound:
    # it was acknowledged long ago, and is not again
    nobody: Any = None
    return Inbound(row["topic"], bytes(row["data"]), False, 1, 0, None, None, nobody)


def _add(wanted: Wanted, more: Wanted) -> None:
    wanted.devices |= more.devices
    wanted.meters |= more.meters
    for key, points in more.points.items():
        wanted.points.setdefault(key, set()).update(points)


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
        whole.device_ids |= batch.device_ids
        whole.stored |= {stored.delivery: stored for stored in batch.stored.values() if stored.kind == "frame"}
    return whole


def _conflict(one: _Judged, conflicts: list[Conflict]) -> str:
    found = explain("", [one.received], conflicts, Topics(one.row["topic"].partition(_DEVICES)[0]).parse)
    return next((stored.detail or stored.reason for stored in found), "")
