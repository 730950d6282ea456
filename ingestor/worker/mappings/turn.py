"""One turn of a source: its next payloads mapped, stored and settled in one transaction."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from broker.contract.topics import Topics
from broker.errors import ContractError, PermanentError
from ingestor.batches.assembler import MOST_DAYS, Assembler
from ingestor.batches.batch import Batch
from ingestor.batches.limits import Limits
from ingestor.batches.names import Names, Wanted
from ingestor.batches.records import Stored, clean
from ingestor.failures import Remedy, remedy_for
from ingestor.metrics import Metrics
from ingestor.worker.mappings.hand import MOST_DEATHS, in_hand
from ingestor.worker.mappings.judging import MOST_REASON, OWN_FAULT, Judged, Portion, together
from ingestor.worker.mappings.metrics import MappingMetrics
from ingestor.worker.mappings.store import (
    WaitingSource,
    lock_payloads,
    mapping_document,
    note_facts,
    settle_payloads,
)
from ingestor.worker.metrics import WorkerMetrics
from ingestor.worker.settings import WorkerSettings
from ingestor.writing.writer import FEW_ROWS, MANY_ROWS, Writer, Written
from meters.mappings.document import Mapping
from meters.mappings.load import load_mapping
from meters.mappings.types import MeterFacts
from store.errors import DATABASE_ERRORS
from store.pool import Pool
from store.sql import Connection

log = structlog.get_logger()
NO_MAPPING: Final = "the source has no mapping yet; `wattline source map` gives it one"
DEADLY: Final = f"{MOST_DEATHS} workers died over it, maybe for want of memory; `wattline source retry` tries it again"
REFUSED: Final = "the database refuses it"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the assembler must know of who stores."""

    client_id: str
    earliest_at: datetime
    max_future_s: float


@dataclass(frozen=True, slots=True)
class Turned:
    """What a turn settled, and whether a payload was dear: its source waits among those alone from then on."""

    settled: int
    is_dear: bool = False


class Turns:
    """Does turns of sources. What is in memory is a portion, bounded in number and bytes; a repeat changes nothing.

    `only_cheap` leaves a dear payload and what comes behind it to others' turns.
    """

    def __init__(
        self, pool: Pool, settings: WorkerSettings, metrics: MappingMetrics, worker_metrics: WorkerMetrics,
        worker: UUID, *, only_cheap: bool,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._only_cheap = only_cheap
        self._turn_s = settings.mapping_turn_s
        self._worker = worker
        self._metrics = metrics
        self._worker_metrics = worker_metrics
        self._names = Names(Limits(settings.max_devices, settings.meters_per_source, settings.series_per_meter))
        self._topics = Topics()
        rules = Rules("wattline-worker-mappings", settings.earliest_at, settings.max_future_s)
        self._assembler = Assembler(rules, self._topics, self._names, Metrics())
        self._mappings: dict[str, tuple[int, Mapping | str]] = {}
        """By source the version in force, and its mapping, or why it can't be read."""

    async def take(self, source: WaitingSource) -> Turned:
        """Do one turn of a source, which settles nothing where another worker is at it.

        Raises database errors that time may heal.
        """
        started_s = time.monotonic()
        async with in_hand(self._pool, self._worker, source.name) as hand:
            if not hand.payloads:
                return Turned(0)
            mapping: Mapping | str = DEADLY if hand.is_deadly else await self._mapping(source)
            portion = Portion(source, mapping, hand.payloads, only_cheap=self._only_cheap, most_s=self._turn_s)
            # beside the loop, which answers meanwhile: one payload may have a hundred thousand records
            judged = await asyncio.to_thread(portion.judge, self._topics)
            hand.is_given_back = not judged
            settled = await self._store(source, judged) if judged else 0
        if hand.is_deadly:
            log.error("payload_deadly", source=source.name, payload=judged[0].id, deaths=MOST_DEATHS)
        self._metrics.portion_s.observe(time.monotonic() - started_s)
        return Turned(settled, portion.is_dear)

    async def _mapping(self, source: WaitingSource) -> Mapping | str:
        if source.version is None:
            return NO_MAPPING
        known = self._mappings.get(source.name)
        if known is not None and known[0] == source.version:
            return known[1]
        document = await mapping_document(self._pool, source.name, source.version)
        found: Mapping | str
        try:
            found = load_mapping(document or "", origin=f"{source.name}@{source.version}", trusted=True)
        except ContractError as error:
            found = f"the mapping can't be read by this version of Wattline: {error}"
            log.warning("mapping_unreadable", source=source.name, version=source.version, reason=str(error))
        self._mappings[source.name] = (source.version, found)
        return found

    async def _store(self, source: WaitingSource, judged: Sequence[Judged]) -> int:
        """Store a portion, or its halves where the database refuses something in it."""
        pieces = False
        while True:
            try:
                return await self._store_once(source, judged, pieces=pieces)
            except PermanentError:
                raise
            except Exception as error:
                self._names.clear()
                ours = not isinstance(error, (*DATABASE_ERRORS, ValueError, OverflowError))
                remedy = Remedy.SPLIT if ours else remedy_for(error)
                if remedy is Remedy.PIECES and not pieces:
                    pieces = True
                    continue
                if remedy not in (Remedy.SPLIT, Remedy.STAGE) or (len(judged) == 1 and judged[0].mapped is None):
                    raise
                if len(judged) == 1:
                    log.warning("payload_refused", source=source.name, payload=judged[0].id, reason=repr(error))
                    judged[0].refuse(f"{OWN_FAULT if ours else REFUSED}: {error!r}"[:MOST_REASON])
                    continue
                half = len(judged) // 2
                return await self._store(source, judged[:half]) + await self._store(source, judged[half:])

    async def _store_once(self, source: WaitingSource, judged: Sequence[Judged], *, pieces: bool) -> int:
        async with self._pool.acquire() as connection:
            # before the transaction, which locks no names while it looks for others
            await self._judge(connection, judged)
            writer = Writer(self._assembler.conflicting)
            whole = rest = together(judged)
            written = Written(0, 0)
            if pieces or len(whole.days()) > MOST_DAYS:
                # more chunks than one transaction may make: not with the payloads' state, but a repeat changes nothing
                written = await writer.write_in_pieces(connection, whole, FEW_ROWS if pieces else MANY_ROWS)
                rest = Batch()
            async with connection.transaction():
                free = set(await lock_payloads(connection, [one.id for one in judged]))
                taken = [one for one in judged if one.id in free]
                if len(taken) < len(judged) and rest.received:
                    whole = rest = together(taken)
                if rest.received:
                    written = await writer.write(connection, rest, staged=True)
                await self._settle(connection, source, taken, written.refused)
        self._count(source, taken)
        self._worker_metrics.refuse((*whole.stored.values(), *written.refused))
        return len(taken)

    async def _judge(self, connection: Connection, judged: Sequence[Judged]) -> None:
        await self._names.catch_up(connection)
        wanted = Wanted()
        for one in judged:
            one.batch = Batch()
            for received in one.received:
                self._assembler.add(one.batch, received)
            more = self._assembler.wanted(one.batch)
            wanted.devices |= more.devices
            wanted.meters |= more.meters
            for of, points in more.points.items():
                wanted.points.setdefault(of, set()).update(points)
        if wanted:
            await self._names.resolve(connection, wanted)
        for one in judged:
            self._assembler.complete(one.batch)

    @staticmethod
    async def _settle(
        connection: Connection, source: WaitingSource, taken: Sequence[Judged], conflicts: Sequence[Stored]
    ) -> None:
        facts = {key: one for each in taken if each.mapped is not None for key, one in each.mapped.meters.items()}
        told = sorted((key, *map(clean, astuple(one))) for key, one in facts.items() if one != MeterFacts())
        if told:
            await note_facts(connection, source.device_id, *(list(column) for column in zip(*told, strict=True)))
        outcomes = [one.outcome(conflicts) for one in taken]
        await settle_payloads(
            connection,
            [one.id for one in taken],
            source.device_id,
            source.version or 0,
            [one.state for one in taken],
            [readings for readings, _ in outcomes],
            [len(one.mapped.events) if one.mapped is not None else 0 for one in taken],
            [clean(reason, MOST_REASON) or None for _, reason in outcomes],
        )

    def _count(self, source: WaitingSource, taken: Sequence[Judged]) -> None:
        for one in taken:
            self._metrics.payloads.labels(source.name, one.state).inc()
            if one.mapped is not None:
                self._metrics.values.labels(source.name).inc(one.mapped.values)
        refused = next((one for one in taken if one.state == "unmapped"), None)
        if refused is not None:
            log.info("payloads_unmapped", source=source.name, first=refused.id, reason=refused.reason)
