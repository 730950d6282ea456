"""From the broker to the table: one batch fills while others are written; acks follow the commits, in order."""

import asyncio
import time
from dataclasses import replace

import structlog

from broker.backoff import Backoff
from broker.publication import ack_all
from broker.session import Session
from ingestor.assembler import Assembler
from ingestor.batch import Batch, Confirmed, Received
from ingestor.batch_log import BatchLog
from ingestor.broker_facts import BrokerFacts
from ingestor.clock import Clock
from ingestor.failures import DATABASE_ERRORS, Remedy, remedy_for
from ingestor.metrics import Metrics
from ingestor.names import Names
from ingestor.receipts import Receipts
from ingestor.settings import IngestorSettings
from ingestor.writer import Writer, Written
from store.pool import Pool, is_transient

log = structlog.get_logger()

TAKE = 250
"""Messages parsed at a stretch before other tasks get their turn: 5 ms or so."""


class Pipeline:
    """Intake and writers, joined by one open batch.

    While batches are written the next one fills. When that is full too, intake stops; the broker then sends up to
    receive_maximum messages in all and keeps the rest: nothing is dropped here. A batch is full with batch_rows,
    batch_mib, or its share of receive_maximum, so that all batches together leave the broker something to send.
    Batches may commit in any order, for rows know no order; those with a status wait for the ones before them.
    """

    def __init__(
        self,
        settings: IngestorSettings,
        session: Session,
        assembler: Assembler,
        names: Names,
        receipts: Receipts,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._session = session
        self._assembler = assembler
        self._names = names
        self._receipts = receipts
        self._clock = clock
        self._metrics = metrics
        self._facts = BrokerFacts(metrics)
        self._writer = Writer(assembler.conflicting)
        self._log = BatchLog(settings.client_id, clock)
        self._most_messages = max(1, settings.receive_maximum // (settings.writers + 2))
        self._most_bytes = settings.batch_mib * 1024 * 1024
        self._open = Batch()
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._room = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._taking = asyncio.Lock()
        self._naming = asyncio.Lock()
        self._last = asyncio.Event()
        self._last.set()
        self._started_s: dict[int, float] = {}
        self._draining = False
        self._connections = 0
        self._since_connect = 0
        self.seen: dict[int, int] = {}
        self.last_commit_s: float | None = None
        self.failure = ""

    @property
    def held(self) -> int:
        """Messages in the open batch."""
        return len(self._open.received)

    async def intake(self) -> None:
        """Take messages into the open batch, for ever; what comes before the database says the time waits for it."""
        await self._clock.known.wait()
        while True:
            while self._full.is_set():
                self._room.clear()
                await self._room.wait()
            messages = await self._session.receive(TAKE)
            if self._connections != self._session.connections:
                self._connections, self._since_connect = self._session.connections, 0
            now_us, batch, add = self._clock.now_us(), self._open, self._assembler.add
            # what was in flight when a connection broke comes again first, even before we have subscribed
            doubtful = not self._session.connected or self._since_connect < self._settings.receive_maximum
            self._since_connect += len(messages)
            for message in messages:
                # the broker's own messages are of QoS 0
                if not message.qos and self._facts.take(message.topic, message.payload):
                    continue
                add(batch, Received(message, now_us, doubtful))
            if batch.received:
                self._some.set()
                self._idle.clear()
            if self._is_full(batch):
                self._full.set()
            # receive() does not wait while messages are there
            await asyncio.sleep(0)

    @property
    def writing_since_s(self) -> float | None:
        """When the oldest batch that is being written was closed, on the monotonic clock."""
        return min(self._started_s.values(), default=None)

    async def write(self, pool: Pool) -> None:
        """Write batches and acknowledge their messages, for ever; `writers` tasks do this side by side."""
        while True:
            async with self._taking:
                await self._some.wait()
                await self._fill()
                batch, self._open = self._open, Batch()
                before, self._last = self._last, asyncio.Event()
                done = self._last
                self._some.clear()
                self._full.clear()
                self._room.set()
                self._started_s[id(batch)] = time.monotonic()
            if batch.statuses:
                await before.wait()
            confirmed = await self._store(pool, batch)
            # MQTT 5 4.6: acks go in the order of the messages. Receipts, too: one for a later message and none for an
            # earlier would be taken for evidence that the earlier one was lost.
            await before.wait()
            self._receipts.committed(confirmed)
            ack_all([received.delivery for received in batch.received])
            done.set()
            del self._started_s[id(batch)]
            if not self._open.received and not self._started_s:
                self._idle.set()

    async def drain(self) -> None:
        """After intake has ended: wait until all that was taken is stored and acknowledged."""
        self._draining = True
        self._full.set()
        await self._idle.wait()

    async def _fill(self) -> None:
        """Let a batch that is not full wait for more."""
        left_s = self._open.opened_at_s + self._settings.batch_wait_s - time.monotonic()
        if left_s > 0 and not self._draining:
            try:
                async with asyncio.timeout(left_s):
                    await self._full.wait()
            except TimeoutError:
                return

    def _is_full(self, batch: Batch) -> bool:
        return (
            batch.rows >= self._settings.batch_rows
            or len(batch.received) >= self._most_messages
            or batch.payload_bytes >= self._most_bytes
        )

    async def _store(self, pool: Pool, batch: Batch) -> list[Confirmed]:
        """Store a batch whatever it takes: parts of it one by one where the database refuses something.

        Returns what is in the store then.
        """
        parts, confirmed = [batch], list[Confirmed]()
        while parts:
            part = parts.pop(0)
            started_s = time.monotonic()
            refusal = await self._store_part(pool, part, confirmed)
            if refusal is None:
                continue
            log.warning("batch_refused", messages=len(part.received), reason=str(refusal), after_s=_since(started_s))
            self._metrics.split.inc()
            if len(part.received) == 1:
                parts.insert(0, self._assembler.refused(part.received[0], str(refusal)))
            else:
                half = len(part.received) // 2
                halves = part.received[:half], part.received[half:]
                parts[:0] = [self._assembler.rebuild(received) for received in halves]
        return confirmed

    async def _store_part(self, pool: Pool, batch: Batch, confirmed: list[Confirmed]) -> Exception | None:
        """Write until it is committed, through outages; returns the error if one of its messages is to blame."""
        backoff = Backoff(first_s=0.2, cap_s=10.0)
        staged = pieces = False
        while True:
            try:
                started_s = time.monotonic()
                async with asyncio.timeout(self._settings.database_timeout_s):
                    written = await self._write_once(pool, batch, staged=staged, pieces=pieces)
            except (*DATABASE_ERRORS, ValueError, OverflowError) as error:
                remedy = remedy_for(error)
                if remedy is Remedy.SPLIT or (remedy is Remedy.STAGE and staged):
                    return error
                staged = True
                if remedy is Remedy.STAGE:
                    continue
                pieces = pieces or remedy is Remedy.PIECES
                # after an outage ids in memory may be those of another database; not while another batch looks them up
                async with self._naming:
                    self._names.clear()
                # the commit may have succeeded and only its answer been lost: each may be in already
                batch = self._assembler.rebuild([replace(received, doubtful=True) for received in batch.received])
                await self._failed(error, len(batch.received), backoff)
            else:
                self._committed(batch, written, time.monotonic() - started_s, staged=staged)
                confirmed += batch.confirmed
                return None

    async def _write_once(self, pool: Pool, batch: Batch, *, staged: bool, pieces: bool) -> Written:
        async with pool.acquire(timeout=self._settings.database_timeout_s) as connection:
            async with self._naming:
                if wanted := self._assembler.wanted(batch):
                    await self._names.resolve(connection, wanted)
                self._assembler.complete(batch)
            with self._log.taken() as entry:
                if pieces:
                    return await self._writer.write_in_pieces(connection, batch, entry)
                return await self._writer.write(connection, batch, staged=staged, entry=entry)

    async def _failed(self, error: Exception, messages: int, backoff: Backoff) -> None:
        self.failure = str(error) or "no answer in time"
        self._metrics.retries.labels(type(error).__name__).inc()
        delay_s = backoff.next_s()
        told = self._metrics.database.failed if is_transient(error) else log.warning
        told("batch_not_written", reason=self.failure, messages=messages, retry_in_s=round(delay_s, 2))
        await asyncio.sleep(delay_s)

    def _committed(self, batch: Batch, written: Written, commit_s: float, *, staged: bool) -> None:
        metrics = self._metrics
        self.failure, self.last_commit_s = "", time.monotonic()
        metrics.database.back("database_back")
        self.seen.update(batch.seen)
        for kind, count in batch.kinds.items():
            metrics.messages.labels(kind).inc(count)
        refused = (*batch.stored.values(), *written.refused)
        for stored in refused:
            (metrics.quarantined if stored.kind == "payload" else metrics.frames).labels(stored.reason).inc()
        metrics.rows.inc(written.rows)
        metrics.repeated.inc(written.repeated)
        metrics.conflicts.inc(written.conflicts)
        metrics.batches.inc()
        metrics.staged.inc(staged)
        metrics.batch_rows.observe(batch.rows)
        metrics.commit_s.observe(commit_s)
        self._log.add(commit_s, len(batch.received), batch.rows)
        lag_s = None
        if batch.newest_us is not None:
            lag_s = (self._clock.now_us() - batch.newest_us) / 1e6
            metrics.lag_s.observe(lag_s)
            metrics.last_lag_s.set(lag_s)
        log.debug("batch_written", rows=written.rows, messages=len(batch.received), commit_s=commit_s, lag_s=lag_s)
        for stored in refused:
            if stored.kind == "payload":
                log.warning("quarantined", reason=stored.reason, topic=stored.topic, detail=stored.detail)


def _since(started_s: float) -> float:
    return round(time.monotonic() - started_s, 3)
