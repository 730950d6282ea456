"""The inbox: payloads of many senders, committed in batches; each sender is answered after the commit of its own.

No sender waits for company: a batch is whatever came while the one before was written, or within a few milliseconds.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import asyncpg
import structlog

from broker.outage import Outage
from intake.inbox.metrics import InboxMetrics
from intake.inbox.payload import InboxAwayError, InboxError, Kept, KeyReusedError, Payload, PayloadRefusedError
from intake.inbox.pending import Pending, Waiting
from intake.inbox.store import StoredPayload
from intake.inbox.writer import Committed, Writer
from store.errors import DATABASE_ERRORS, is_transient, reason, refuses_data
from store.pool import Pool

log = structlog.get_logger()
ATTEMPTS: Final = 3
"""Of a batch that only met another one, as two with the same keys do."""
AWAY_S: Final = 0.5
"""After a failure of the database nothing is tried for so long: who sends meanwhile is told to come again."""
AWAY_RETRY_S: Final = 5
EXPIRY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class InboxBounds:
    """How much waits and is written at once; beyond it senders are told to come again, and nothing grows."""

    pending: int = 20_000
    """Payloads that wait or are being written; one source may have half of them."""
    pending_bytes: int = 64 * 2**20
    """What they take in memory."""
    batch: int = 1000
    """Payloads of one transaction."""
    batch_bytes: int = 8 * 2**20
    batch_wait_s: float = 0.003
    """How long a payload waits for others to come with it."""
    writers: int = 2
    """Transactions at a time: one is sent while the disk has another."""
    write_s: float = 10.0
    """After so long a transaction is given up, and its senders told to send again."""


class Inbox:
    """Takes payloads and says of each when it is committed; `write` is to run as a task for each writer."""

    def __init__(self, pool: Pool, bounds: InboxBounds, metrics: InboxMetrics) -> None:
        self.outage = Outage()
        self._pool = pool
        self._bounds = bounds
        self._metrics = metrics
        self._pending = Pending(bounds.pending, bounds.pending_bytes)
        self._unanswered: dict[Waiting, None] = {}
        metrics.pending.set_function(lambda: self._pending.rows)
        metrics.pending_bytes.set_function(lambda: self._pending.bytes)
        self._filled = asyncio.Event()
        self._closing = False
        self._away_until_s = float("-inf")
        self._failure = ""

    @property
    def load(self) -> float:
        """How full it is, 0 to 1."""
        return self._pending.load

    def check(self, source: str, size: int) -> None:
        """See whether a payload of so many bytes would be taken, before it is read. Raises InboxError."""
        self._check_open()
        self._pending.check(source, size)

    def _check_open(self) -> None:
        if self._closing:
            raise InboxAwayError("this process is stopping")
        if self._failure and time.monotonic() < self._away_until_s:
            raise InboxAwayError(f"the database can't be reached: {self._failure}", AWAY_RETRY_S)

    async def put(self, payload: Payload, deadline_s: float) -> Kept:
        """Commit a payload; returns once it is, or was before. Whoever is cancelled may find it kept all the same.

        Raises InboxError: InboxFullError, InboxAwayError (also after the deadline), or PayloadRefusedError.
        """
        self._check_open()
        loop = asyncio.get_running_loop()
        waiting = Waiting(payload, loop.create_future(), payload.size, loop.time() + deadline_s)
        self._pending.add(waiting)
        self._unanswered[waiting] = None
        self._filled.set()
        try:
            return await waiting.answer
        finally:
            del self._unanswered[waiting]

    def close(self) -> None:
        """Take nothing more; the writers end when what waits is written."""
        self._closing = True
        self._filled.set()

    async def expire(self) -> None:
        """Give up for ever what waits beyond its deadline, within EXPIRY_S of it: a timer for each would cost more."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(EXPIRY_S)
            now_s = loop.time()
            for one in self._unanswered:
                if one.until_s <= now_s and not one.answer.done():
                    late = "the database has not confirmed it in time; send it again, by the same key"
                    one.answer.set_exception(InboxAwayError(late, AWAY_RETRY_S))

    async def write(self) -> None:
        """Write batches until the inbox is closed and empty."""
        writer = Writer(self._pool)
        try:
            await self._write_all(writer)
        finally:
            await writer.give_back(None)

    async def _write_all(self, writer: Writer) -> None:
        while await self._some():
            batch = self._pending.take(self._bounds.batch, self._bounds.batch_bytes)
            try:
                if batch:
                    await self._write(writer, batch)
            finally:
                for one in batch:
                    # only where this task is cancelled: nobody would answer them any more
                    if not one.answer.done():
                        one.answer.set_exception(InboxAwayError("this process is stopping"))
                self._pending.done(batch)

    async def _some(self) -> bool:
        """Wait for payloads, and a moment for more; False where none will come."""
        while not self._pending.ready:
            if self._closing:
                return False
            self._filled.clear()
            await self._filled.wait()
        if self._pending.ready < self._bounds.batch and not self._closing:
            await asyncio.sleep(self._bounds.batch_wait_s)
        return True

    async def _write(self, writer: Writer, batch: list[Waiting]) -> None:
        """Write a batch and answer all of it; what the database refuses is found by halves."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                kept = await self._commit(writer, [one.payload for one in batch])
            except DATABASE_ERRORS as error:
                if refuses_data(error):
                    await self._refused(writer, batch, error)
                    return
                met = isinstance(error, asyncpg.PostgresError) and str(error.sqlstate or "").startswith("40")
                if met and attempt < ATTEMPTS:
                    continue
                self._failed(batch, error)
                return
            break
        self._failure = ""
        self.outage.back("database_back")
        reused = _answer(batch, kept)
        new = len(kept.new)
        self._metrics.accepted.inc(new)
        self._metrics.repeated.inc(len(batch) - new - reused)

    async def _commit(self, writer: Writer, payloads: list[Payload]) -> Committed:
        began_s = time.perf_counter()
        async with asyncio.timeout(self._bounds.write_s):
            found = await writer.commit(payloads)
        self._metrics.batches.inc()
        self._metrics.commit_s.observe(time.perf_counter() - began_s)
        return found

    async def _refused(self, writer: Writer, batch: list[Waiting], error: BaseException) -> None:
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._write(writer, batch[:middle])
            await self._write(writer, batch[middle:])
            return
        log.warning("payload_refused", source=batch[0].payload.source, reason=reason(error))
        _fail(batch, partial(PayloadRefusedError, f"the database refuses it: {reason(error)}"))

    def _failed(self, batch: list[Waiting], error: BaseException) -> None:
        self._metrics.failed.inc()
        self._failure = reason(error)
        self._away_until_s = time.monotonic() + AWAY_S
        self.outage.failed("payloads_not_written", reason=self._failure, payloads=len(batch))
        if not is_transient(error):
            log.error("payloads_not_written", reason=self._failure, fix="run `wattline migrate`; see the role's rights")
        _fail(batch, partial(InboxAwayError, f"the database can't be reached: {self._failure}", AWAY_RETRY_S))


def _answer(batch: list[Waiting], committed: Committed) -> int:
    """Tell each of a batch; of several with one key the first brought it, and the others repeat it.

    Returns how many are no repeat, but bring another body.
    """
    first, reused = set(committed.new), 0
    for one in batch:
        if one.answer.done():
            continue
        key = (one.payload.source, one.payload.key)
        stored = committed.new.get(key) or committed.old.get(key)
        if stored is None:
            # it was there, and was deleted before it could be asked for
            one.answer.set_exception(InboxAwayError("it was just forgotten; send it again"))
            continue
        if key not in first and _is_another(one.payload, stored):
            reused += 1
            one.answer.set_exception(KeyReusedError(f"another body came with the key {one.payload.key[:80]!r} before"))
            continue
        one.answer.set_result(Kept(stored.id, repeated=key not in first))
        first.discard(key)
    return reused


def _is_another(payload: Payload, stored: StoredPayload) -> bool:
    """Whether a payload is no repeat of what has its key."""
    return stored.digest is not None and stored.digest != hashlib.sha256(payload.body).digest()


def _fail(batch: list[Waiting], error: Callable[[], InboxError]) -> None:
    for one in batch:
        if not one.answer.done():
            one.answer.set_exception(error())


@contextlib.asynccontextmanager
async def open_inbox(
    pool: Pool, bounds: InboxBounds, metrics: InboxMetrics, drain_s: float = 10.0
) -> AsyncIterator[Inbox]:
    """An inbox with its writers; at the end what was taken is written, within `drain_s`."""
    inbox = Inbox(pool, bounds, metrics)
    async with asyncio.TaskGroup() as group:
        expiring = group.create_task(inbox.expire(), name="inbox.expire")
        writers = [group.create_task(inbox.write(), name=f"inbox.write.{one}") for one in range(bounds.writers)]
        try:
            yield inbox
        finally:
            inbox.close()
            _, late = await asyncio.wait(writers, timeout=drain_s)
            for one in (*late, expiring):
                one.cancel()
