"""From the broker to the table: one batch fills while others are written; acks follow the commits, in order."""

import asyncio
import time
from collections import deque

import structlog

from broker.backoff import Backoff
from broker.mqtt.session import Session
from ingestor.batches.assembler import Assembler
from ingestor.batches.batch import Batch, Confirmed, Received
from ingestor.batches.names import Names
from ingestor.failures import Remedy, remedy_for, series_taken
from ingestor.intake.admission import Admission
from ingestor.intake.answers import Answers, Taken
from ingestor.intake.broker_facts import BrokerFacts
from ingestor.intake.receipts import Receipts
from ingestor.metrics import Metrics
from ingestor.settings import IngestorSettings
from ingestor.writing.batch_log import BatchLog
from ingestor.writing.receipt_clock import Clock
from ingestor.writing.writer import FEW_ROWS, MANY_ROWS, Writer, Written
from store.errors import DATABASE_ERRORS, is_transient, reason
from store.pool import Pool
from store.replicated_commit import confirmed

log = structlog.get_logger()

TAKE = 250
"""Messages parsed at a stretch before other tasks get their turn: 5 ms or so."""
UNANSWERED = 4
"""Stored and not yet acknowledged, as behind readings of long ago, as a multiple of the payload of a full batch."""


class Pipeline:
    """Intake and writers, joined by one open batch.

    While batches are written the next one fills. When that is full too, intake stops; the broker then sends up to
    receive_maximum messages in all and keeps the rest: nothing is dropped here. A batch is full with batch_rows,
    batch_mib, or its share of receive_maximum, so that all batches together leave the broker something to send.
    Batches may commit in any order, for rows know no order; those with a status wait for the ones before them.

    Readings of long ago that spread over many days have a writer of their own: each of their days may want a chunk to
    be made, which takes minutes where it is years, and nobody else's readings are to wait for that. Their batch is
    acknowledged when they are stored, and what was taken after it not before; at UNANSWERED batches' bytes all wait.
    """

    def __init__(
        self,
        settings: IngestorSettings,
        session: Session,
        admission: Admission,
        assembler: Assembler,
        names: Names,
        receipts: Receipts,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._session = session
        self._admission = admission
        self._assembler = assembler
        self._names = names
        self._clock = clock
        self._metrics = metrics
        self._facts = BrokerFacts(metrics)
        self._writer = Writer(assembler.conflicting)
        self._log = BatchLog(settings.client_id, clock)
        self._most_messages = max(1, settings.receive_maximum // (settings.writers + 2))
        self._most_bytes = settings.batch_mib * 1024 * 1024
        self._answers = Answers(receipts, UNANSWERED * self._most_bytes)
        self._history: deque[tuple[Taken, Batch]] = deque()
        self._some_history = asyncio.Event()
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
        self._taken = 0
        self.seen: dict[int, int] = {}
        self.last_commit_s: float | None = None
        self.failure = ""

    @property
    def held(self) -> int:
        """Messages in the open batch."""
        return len(self._open.deliveries)

    async def intake(self) -> None:
        """Take messages into the open batch, for ever; what comes before the database says the time waits for it."""
        await self._clock.known.wait()
        while True:
            while self._full.is_set():
                self._room.clear()
                await self._room.wait()
            was_empty = self._has_all
            messages = await self._session.receive(TAKE)
            self._taken = len(messages)
            if self._connections != self._session.connections:
                self._connections, self._since_connect, was_empty = self._session.connections, 0, False
            now_us, batch, add, admits = self._clock.now_us(), self._open, self._assembler.add, self._admission.admits
            self._admission.look(empty=was_empty or self._has_all)
            # what was in flight when a connection broke comes again first, even before we have subscribed
            doubtful = not self._session.connected or self._since_connect < self._settings.receive_maximum
            self._since_connect += len(messages)
            for message in messages:
                # the broker's own messages are of QoS 0
                if not message.qos and self._facts.take(message.topic, message.payload):
                    continue
                if admits(message.topic, len(message.payload)):
                    add(batch, Received(message, now_us, doubtful))
                else:
                    batch.let_go(message)
            self._taken = 0
            if batch.deliveries:
                self._some.set()
                self._idle.clear()
            if self._is_full(batch):
                self._full.set()
            # receive() does not wait while messages are there
            await asyncio.sleep(0)

    @property
    def _has_all(self) -> bool:
        """Whether the broker has no more for us, as far as we see: it would have sent it, had it not sent so much."""
        sent = self._answers.messages + self.held + self._taken
        return self._session.connected and not self._session.waiting and sent < self._settings.receive_maximum / 2

    @property
    def behind_s(self) -> float:
        """For how long the broker has had more for us than we have taken, or may have: 0 while we have it all."""
        return 0.0 if self._has_all else self._admission.behind_s

    @property
    def writing_since_s(self) -> float | None:
        """When the oldest batch that is being written was closed, on the monotonic clock."""
        return min(self._started_s.values(), default=None)

    async def write(self, pool: Pool) -> None:
        """Write batches and acknowledge their messages, for ever; `writers` tasks do this side by side."""
        while True:
            async with self._taking:
                await self._answers.room()
                await self._some.wait()
                await self._fill()
                batch, self._open = self._open, Batch()
                before, self._last = self._last, asyncio.Event()
                done = self._last
                self._some.clear()
                self._full.clear()
                self._room.set()
                self._started_s[id(batch)] = time.monotonic()
                taken = self._answers.take(batch)
            near = self._set_history_aside(taken, batch)
            if near.statuses:
                await before.wait()
            confirmed = await self._store(pool, near) if near.received else []
            await before.wait()
            self._answers.stored(taken, confirmed)
            done.set()
            del self._started_s[id(batch)]
            self._note_idle()

    async def write_history(self, pool: Pool) -> None:
        """Write readings of long ago that spread over many days, for ever, in pieces."""
        while True:
            self._some_history.clear()
            if not self._history:
                await self._some_history.wait()
            taken, far = self._history[0]
            started_s = time.monotonic()
            confirmed = await self._store(pool, far, piece_rows=MANY_ROWS)
            self._answers.stored(taken, confirmed)
            self._history.popleft()
            self._count_history()
            log.info("history_stored", messages=len(far.received), rows=far.rows, after_s=_since(started_s))
            self._note_idle()

    async def drain(self) -> None:
        """After intake has ended: wait until all that was taken is stored and acknowledged."""
        self._draining = True
        self._full.set()
        await self._idle.wait()

    def _set_history_aside(self, taken: Taken, batch: Batch) -> Batch:
        """Leave what has a writer of its own to that one; the rest of the batch."""
        near, far = self._assembler.parted(batch)
        if far is not None:
            taken.parts += 1
            self._history.append((taken, far))
            self._some_history.set()
            self._count_history()
        return near

    def _count_history(self) -> None:
        self._metrics.history.set(sum(len(far.received) for _, far in self._history))

    def _note_idle(self) -> None:
        if not self._open.deliveries and self._answers.empty:
            self._idle.set()

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
            or len(batch.deliveries) >= self._most_messages
            or batch.payload_bytes >= self._most_bytes
        )

    async def _store(self, pool: Pool, batch: Batch, *, piece_rows: int | None = None) -> list[Confirmed]:
        """Store a batch whatever it takes: parts of it one by one where the database refuses something.

        Returns what is in the store then.
        """
        parts, confirmed = [batch], list[Confirmed]()
        while parts:
            part = parts.pop(0)
            started_s = time.monotonic()
            refusal = await self._store_part(pool, part, confirmed, piece_rows=piece_rows)
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

    async def _store_part(
        self, pool: Pool, batch: Batch, confirmed: list[Confirmed], *, piece_rows: int | None
    ) -> Exception | None:
        """Write until it is committed, through outages; returns the error if one of its messages is to blame."""
        backoff = Backoff(first_s=0.2, cap_s=10.0)
        staged = False
        while True:
            try:
                started_s = time.monotonic()
                # in pieces each statement has its own time: the pool's
                async with asyncio.timeout(None if piece_rows else self._settings.database_timeout_s):
                    batch, written = await self._write_once(pool, batch, staged=staged, piece_rows=piece_rows)
            except (*DATABASE_ERRORS, ValueError, OverflowError) as error:
                remedy = remedy_for(error)
                if remedy is Remedy.SPLIT or (remedy is Remedy.STAGE and staged):
                    return error
                staged = True
                if remedy is Remedy.STAGE:
                    if (series_id := series_taken(error)) is not None:
                        self._names.note_repeat(series_id, self._clock.now_us())
                    continue
                piece_rows = FEW_ROWS if remedy is Remedy.PIECES else piece_rows
                # the commit may have succeeded and only its answer been lost: each may be in already
                for received in batch.received:
                    received.doubtful = True
                # after an outage ids in memory may be those of another database; not while another batch looks them up
                async with self._naming:
                    self._names.clear()
                await self._failed(error, len(batch.received), backoff)
            else:
                self._committed(batch, written, time.monotonic() - started_s, staged=staged)
                confirmed += batch.receipts()
                return None

    async def _write_once(
        self, pool: Pool, batch: Batch, *, staged: bool, piece_rows: int | None
    ) -> tuple[Batch, Written]:
        """Write the batch, or the same messages read anew where its ids are stale; which, and what it changed."""
        async with pool.acquire(timeout=self._settings.database_timeout_s) as connection:
            async with self._naming:
                await self._names.catch_up(connection)
                if self._assembler.is_stale(batch):
                    batch = self._assembler.rebuild(batch.received)
                if wanted := self._assembler.wanted(batch):
                    await self._names.resolve(connection, wanted)
                self._assembler.complete(batch)
            with self._log.taken() as entry:
                async with confirmed(connection):
                    if piece_rows:
                        return batch, await self._writer.write_in_pieces(connection, batch, piece_rows, entry)
                    return batch, await self._writer.write(connection, batch, staged=staged, entry=entry)

    async def _failed(self, error: Exception, messages: int, backoff: Backoff) -> None:
        self.failure = reason(error)
        self._metrics.retries.labels(type(error).__name__).inc()
        delay_s = backoff.next_s()
        report = self._metrics.database.failed if is_transient(error) else log.warning
        report("batch_not_written", reason=self.failure, messages=messages, retry_in_s=round(delay_s, 2))
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
