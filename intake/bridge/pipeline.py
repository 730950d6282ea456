"""From one broker into the inbox: each message stored before it is acknowledged, in the order of their coming."""

import asyncio
import contextlib
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from broker.backoff import Backoff
from broker.mqtt.publication import ack_all
from broker.mqtt.session import Inbound, Session
from intake.bridge.book import SourceBook
from intake.bridge.identity import Deliveries, chance_key, next_turns, retained_key
from intake.bridge.keeping import WAIT_CAP_S, Keeper
from intake.bridge.metrics import BridgeMetrics
from intake.bridge.scout import Scout
from intake.bridge.settings import BridgeSettings
from intake.inbox.payload import Payload
from intake.inbox.store import find_payloads
from store.errors import DATABASE_ERRORS
from store.pool import Pool

log = structlog.get_logger()

TAKE: Final = 250
"""Messages taken at a stretch; they are acknowledged together."""
STRETCHES: Final = 4
"""Stretches in hand at once: while one is written the next are read. Beyond them the session's own bound holds."""


class Pipeline:
    """Takes what a session receives; at most TAKE times STRETCHES messages are in hand, the rest waits at the broker.

    What the inbox does not take now is tried again until it does: nothing is acknowledged before it is stored, and what
    a source sends over its share, or too large, is acknowledged, counted and told. One message is given to each source
    that claims its topic.
    """

    def __init__(
        self, broker: str, session: Session, pool: Pool, book: SourceBook, keeper: Keeper, scout: Scout,
        metrics: BridgeMetrics, settings: BridgeSettings,
    ) -> None:  # fmt: skip
        self._broker = broker
        self._session = session
        self._pool = pool
        self._book = book
        self._keeper = keeper
        self._scout = scout
        self._metrics = metrics
        self._deliveries = Deliveries(f"{settings.client_id}/{broker}", settings.session_expiry_s)
        self._stretches: deque[tuple[asyncio.Task[None], list[Inbound]]] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Semaphore(STRETCHES)
        self._taking: asyncio.Task[None] | None = None
        self.held = 0
        """Messages taken and not yet acknowledged."""

    async def run(self) -> None:
        """Take, store and acknowledge until cancelled; then what was taken is left to be given again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._acknowledge(), name=f"bridge.{self._broker}.ack")
            self._taking = group.create_task(self._take(group), name=f"bridge.{self._broker}.take")

    def stop(self) -> None:
        """Take nothing more; what was taken is still stored and acknowledged."""
        if self._taking is not None:
            self._taking.cancel()

    async def _take(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._room.acquire()
            messages = await self._session.receive(TAKE)
            self.held += len(messages)
            task = group.create_task(self._keep(messages), name=f"bridge.{self._broker}.keep")
            self._stretches.append((task, messages))
            self._changed.set()

    async def drained(self) -> None:
        """Wait until all that was taken is acknowledged."""
        while self.held:
            self._changed.clear()
            await self._changed.wait()

    async def _acknowledge(self) -> None:
        while True:
            while self._stretches:
                task, messages = self._stretches[0]
                await asyncio.wait({task})
                task.result()
                self._stretches.popleft()
                ack_all(messages)
                self.held -= len(messages)
                self._room.release()
                self._changed.set()
            self._changed.clear()
            await self._changed.wait()

    async def _keep(self, messages: list[Inbound]) -> None:
        now_s, now = time.monotonic(), datetime.now(UTC)
        puts = []
        for number, message in enumerate(messages):
            # no two at one time, or the second reading of a series would contradict the first
            came_at = now + timedelta(microseconds=number)
            puts += [self._put(message, owner, key, came_at) for owner, key in await self._taken(message, now_s)]
        # a source that must wait for room holds up this stretch alone, and nothing of it is forgotten
        await asyncio.gather(*puts)

    async def _taken(self, message: Inbound, now_s: float) -> list[tuple[str, str]]:
        """The sources that take a message, each with the key under which it is to be kept."""
        results, size = self._metrics.results, len(message.payload)
        owners = self._book.owners(self._broker, message.topic, message.subscriptions)
        if self._scout.hear(self._broker, message):
            results["heard"].inc()
            return []
        if not owners:
            results["unclaimed"].inc()
            return []
        if self._keeper.is_too_large(owners, message.topic, size):
            return []
        if message.retain:
            owners = tuple(owner for owner in owners if self._book.takes_retained(owner))
            if not owners:
                results["retained"].inc()
        taken = self._keeper.admitted(owners, message.topic, size, now_s)
        if not taken:
            return []
        key = await self._key(message, taken)
        return [(owner, key) for owner in taken]

    async def _key(self, message: Inbound, owners: list[str]) -> str:
        topic, body, mid = message.topic, message.payload, message.mid
        if message.retain:
            return retained_key(topic, body)
        if message.qos == 0:
            return chance_key()
        if not message.dup:
            return self._deliveries.new(mid, topic, body, time.time())
        key = self._deliveries.again(mid, topic, body) or await self._stored(message, owners)
        return key or self._deliveries.new(mid, topic, body, time.time())

    async def _stored(self, message: Inbound, owners: list[str]) -> str | None:
        """The key under which an earlier process stored a message, if one did; waits for the database."""
        keys = self._deliveries.candidates(message.mid, message.topic, message.payload, time.time())
        pairs = [(owner, key) for owner in owners for key in keys]
        backoff = Backoff(cap_s=WAIT_CAP_S)
        while True:
            try:
                async with self._pool.acquire() as connection:
                    found = await find_payloads(connection, [one for one, _ in pairs], [key for _, key in pairs])
            except DATABASE_ERRORS:
                self._metrics.retries.inc()
                await asyncio.sleep(backoff.next_s())
                continue
            there = {one.key for one in found}
            key = next((one for one in keys if one in there), None)
            if key is not None:
                self._deliveries.known(message.mid, key)
            return key

    async def _put(self, message: Inbound, owner: str, key: str, came_at: datetime) -> None:
        """Store a message for a source, however long the database is away."""
        is_new = not message.dup and not message.retain
        turns = next_turns(key) if is_new and message.qos else iter(())
        while True:
            repeated = await self._keeper.put(
                Payload(owner, key, message.payload, topic=message.topic, came_at=came_at)
            )
            if repeated is None:
                return
            if not (repeated and is_new and (further := next(turns, None)) is not None):
                break
            # the store has an equal message of an earlier turn of the packet id; this one is new
            key = further
            self._deliveries.known(message.mid, key)
        self._keeper.count(repeated=repeated)


async def drain(pipelines: list[Pipeline], deadline_s: float) -> bool:
    """Wait until what was taken is stored and acknowledged; whether it was, in time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(deadline_s):
            for pipeline in pipelines:
                await pipeline.drained()
            return True
    return False
