"""The edge node's connection: births with each, data as the store has it, rebirths as hosts ask, a death at the end."""

import asyncio
from datetime import datetime
from typing import Final

import structlog

from broker.errors import ContractError, WattlineError
from broker.mqtt.publication import Inbound
from broker.mqtt.session import Publication, Session, SessionOptions
from broker.outage import Outage
from outlet.fleet.snapshot import Snapshot
from outlet.fleet.watch import FleetWatch
from outlet.metrics import OutletMetrics
from outlet.settings import OutletSettings
from outlet.sparkplug.history import History
from outlet.sparkplug.node import EdgeNode, Message
from outlet.sparkplug.primary_host import PrimaryHost
from store.pool import Pool

log = structlog.get_logger()
OUTPUT: Final = "sparkplug"
BDSEQ_MODULUS: Final = 256
LEAVE_S: Final = 3.0
REBIRTH_S: Final = 1.0
"""Births are given at most so often, however often hosts ask."""


class Sparkplug:
    """Publishes one edge node; what waits while its broker or host is away is one look, whose births tell all."""

    def __init__(self, settings: OutletSettings, watch: FleetWatch, metrics: OutletMetrics, software: str) -> None:
        told = settings.sparkplug
        self._node = EdgeNode(told.group, told.node, software, settings.silent_s, history=told.history)
        self._watch = watch
        self._metrics = metrics
        self._outage = Outage()
        self._failure = ""
        self._wish = asyncio.Event()
        self._births_s = float("-inf")
        self._bdseq = -1
        self._lives = 0
        """How often births were given."""
        self._alive = False
        """Whether they were on the connection that stands."""
        self._told_at: datetime | None = None
        """When the look began that was told last on it."""
        self._host = PrimaryHost(told.primary_host)
        self._there = asyncio.Event()
        """While the primary host is online, and always where there is none to wait for."""
        heard = (self._node.commands, self._host.topic) if self._host.topic else (self._node.commands,)
        self._address = settings.broker.as_user("outlet")
        options = SessionOptions(
            f"{settings.client_id}-sparkplug", will=self._will, subscriptions=tuple((topic, 1) for topic in heard)
        )
        self._session = Session(self._address, options)
        self._history = History(settings, self._node, metrics, self, self._send) if told.history else None

    def _will(self) -> Publication:
        """The death of the connection that is made next; its births have the same number."""
        self._bdseq = self._session.connects % BDSEQ_MODULUS
        self._alive, self._told_at = False, None
        self._host.connecting()
        self._follow()
        return self._node.death(self._bdseq)

    def _follow(self) -> None:
        """Publish, or wait, as the primary host is there or not."""
        if self._host.online:
            self._there.set()
        else:
            self._there.clear()
        self._metrics.host_away.set(not self._host.online)

    def check(self) -> tuple[bool, str]:
        """For Health."""
        if not self._session.connected:
            return False, self._session.last_error or "not connected yet"
        return not self._failure, self._failure or self._host.says() or "the edge node is born"

    def life(self) -> int | None:
        """A number of the present births, another one after each birth; None while the node is not alive."""
        return self._lives if self._alive and self._session.connected and self._there.is_set() else None

    def told_since(self, at: datetime) -> bool:
        """Whether a look that began at this time or later has been told since the births."""
        return self._told_at is not None and self._told_at >= at

    async def confirmed(self) -> None:
        """Return when the broker has taken what was sent before, or the connection is lost.

        Values have QoS 0, which nothing confirms; but it answers in order (MQTT 5 4.6), to a SUBSCRIBE, too.
        """
        await self._session.subscribe((self._node.commands, 1))

    async def run(self, pool: Pool) -> None:
        """Publish until cancelled; then die properly. Raises PermanentError for a login that is refused."""
        async with self._session as session, asyncio.TaskGroup() as group:
            group.create_task(self._listen(session), name="outlet.sparkplug.listen")
            group.create_task(self._rebirths(session), name="outlet.sparkplug.rebirths")
            if self._history is not None:
                group.create_task(self._history.run(pool), name="outlet.sparkplug.history")
            seen: Snapshot | None = None
            connection = 0
            try:
                while True:
                    await session.wait_connected()
                    await self._there.wait()
                    seen = await self._watch.after(seen)
                    if not self._there.is_set():
                        continue
                    if session.connections != connection:
                        connection = session.connections
                        self._births(seen)
                    elif session.connected:
                        self._tell(seen, self._node.data(seen))
            finally:
                await self._leave(session)

    def _births(self, snapshot: Snapshot) -> None:
        self._births_s, self._alive, self._lives = asyncio.get_running_loop().time(), True, self._lives + 1
        self._tell(snapshot, self._node.births(snapshot, self._bdseq))

    def _tell(self, snapshot: Snapshot, messages: list[Message]) -> None:
        if self._send(messages):
            self._told_at = snapshot.at

    def _send(self, messages: list[Message]) -> bool:
        """Hand over in one go, so that nothing comes between; what a lost connection swallows the next births tell."""
        session = self._session
        for topic, payload in messages:
            if session.post(topic, payload):
                self._metrics.published.labels(OUTPUT).inc()
            elif session.connected:
                # hosts see the hole in the numbers and ask for births
                self._metrics.refused.labels(OUTPUT).inc()
                self._failure = f"{topic}: {len(payload)} bytes are more than the broker takes in one message"
                self._outage.failed("sparkplug_not_published", reason=self._failure)
                return False
            else:
                return False
        self._failure = ""
        self._outage.back("sparkplug_published_again")
        return True

    async def _listen(self, session: Session) -> None:
        async for message in session.messages():
            message.ack()
            try:
                if message.topic == self._host.topic:
                    await self._hear_host(session, message)
                elif self._node.asks_for_births(message.topic, message.payload):
                    self._wish.set()
            except ContractError as error:
                log.warning("sparkplug_message_unreadable", topic=message.topic, reason=str(error))

    async def _hear_host(self, session: Session, message: Inbound) -> None:
        """Wait for a primary host that goes: dead, and on another connection, whose births are the next session's.

        Raises ContractError for a state that can't be read. A connection that is lost says nothing of the next one.
        """
        if not message.current:
            return
        online = self._host.hear(message.topic, message.payload)
        if online is None:
            log.info(
                "sparkplug_state_of_before",
                topic=message.topic,
                payload=message.payload[:200].decode("utf-8", "replace"),
            )
            return
        log.info("sparkplug_primary_host", topic=message.topic, online=online)
        self._follow()
        if not online and self._alive:
            await self._leave(session)
            session.move(self._address)

    async def _rebirths(self, session: Session) -> None:
        """Answer wishes, several that come at once by the same births."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wish.wait()
            await asyncio.sleep(max(0.0, self._births_s + REBIRTH_S - loop.time()))
            self._wish.clear()
            snapshot = self._watch.newest
            # before the first births of a connection these answer the wish
            if snapshot is not None and session.connected and self._alive and self._there.is_set():
                log.info("sparkplug_rebirth")
                self._births(snapshot)

    async def _leave(self, session: Session) -> None:
        """An edge node that ends on purpose says so: a proper disconnect sends no will."""
        if not session.connected or not self._alive:
            return
        self._alive = False
        try:
            await session.publish(self._node.death(self._bdseq), LEAVE_S)
        except (TimeoutError, WattlineError) as error:
            log.warning("sparkplug_death_not_told", reason=str(error))
