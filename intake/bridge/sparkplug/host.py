"""The bridge as a Sparkplug host application at one broker: its state, what edge nodes say, and births asked for."""

import asyncio
import contextlib
import hashlib
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from broker.contract.outlets import is_ours
from broker.errors import ContractError, PermanentError
from broker.mqtt.publication import Inbound, Publication
from broker.mqtt.session import Session, SessionOptions
from broker.runtime.settings import BrokerAddress
from broker.sparkplug.decoding import decode
from broker.sparkplug.encoding import encode_rebirth
from broker.sparkplug.topics import NAMESPACE, MessageType, NodeTopic, state_payload, state_topic
from intake.bridge.book import SourceBook
from intake.bridge.keeping import Keeper
from intake.bridge.metrics import BridgeMetrics
from intake.bridge.settings import BridgeSettings
from intake.bridge.sparkplug.nodes import Heard, Nodes, place_of
from intake.bridge.sparkplug.reordering import Reordering
from intake.inbox.payload import Payload
from intake.notices.notices import Notices

log = structlog.get_logger()
TAKE: Final = 250
_AFTER: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A message of an edge node, and when it came."""

    message: Inbound
    place: NodeTopic
    came_at: datetime


class SparkplugHost:
    """A session of its own, without a past: the specification wants a clean start, and a will that says offline."""

    def __init__(
        self, broker: str, address: BrokerAddress, settings: BridgeSettings, book: SourceBook, keeper: Keeper,
        notices: Notices, metrics: BridgeMetrics,
    ) -> None:  # fmt: skip
        self._broker = broker
        self._state = state_topic(settings.sparkplug_host_id)
        self._book = book
        self._keeper = keeper
        self._notices = notices
        self._metrics = metrics
        self._nodes = Nodes()
        self._order = Reordering[_Taken](self._nodes, settings.sparkplug_reorder_s)
        self._last_at = datetime.min.replace(tzinfo=UTC)
        self._born = asyncio.Event()
        self._at_ms = _now_ms()
        self._taking: asyncio.Task[None] | None = None
        self._stopped = False
        self.held = 0
        """Messages taken and not yet acknowledged."""
        self.session = Session(address, self._options(settings), on_connect=lambda _: self._born.set())

    def _options(self, settings: BridgeSettings) -> SessionOptions:
        will = Publication(self._state, state_payload(self._at_ms, online=False), 1, retain=True)
        return SessionOptions(
            client_id=f"{settings.client_id}-sparkplug-{self._broker}"[:64],
            receive_maximum=settings.receive_maximum,
            receive_bytes=settings.intake_mib * 2**20,
            will=will,
            refusal_is_fatal=False,
            subscriptions=((f"{NAMESPACE}/#", 1),),
        )

    async def run(self) -> None:
        """Be a host until `stop`, and until what was taken is stored, or until cancelled; then say that it goes."""
        if self._stopped:
            return
        name = f"bridge.{self._broker}.sparkplug"
        try:
            async with self.session:
                try:
                    async with asyncio.TaskGroup() as group:
                        saying = group.create_task(self._say_online(), name=f"{name}.state")
                        self._taking = group.create_task(self._take(group), name=f"{name}.take")
                        await asyncio.wait({self._taking})
                        saying.cancel()
                    # what waits is nowhere else; a flood ends with whoever cancels us
                    while self.session.waiting:
                        await self._keep(await self.session.receive(TAKE))
                    await self._keep([], last=True)
                finally:
                    # a proper end sends no will
                    await self._say(online=False)
        except* PermanentError as error:
            log.error("sparkplug_given_up", broker=self._broker, reason=str(error.exceptions[0]))  # noqa: TRY400

    def stop(self) -> None:
        """Wait for nothing more; what has come is still stored and acknowledged, and `run` ends.

        The session is without a past: what a cancelled `run` has in hand never comes again, by whatever QoS.
        """
        self._stopped = True
        if self._taking is not None:
            self._taking.cancel()

    async def _say_online(self) -> None:
        """After each connection, and where something else retained that we are not there."""
        while True:
            await self._born.wait()
            self._born.clear()
            await self._say(online=True)

    async def _say(self, *, online: bool) -> None:
        if self.session.connected:
            told = Publication(self._state, state_payload(self._at_ms, online=online), 1, retain=True)
            try:
                async with asyncio.timeout(5):
                    await self.session.send(told)
            except (ContractError, PermanentError, OSError, TimeoutError) as error:
                log.warning("sparkplug_state_not_told", broker=self._broker, reason=str(error))

    async def _take(self, group: asyncio.TaskGroup) -> None:
        while True:
            messages = await self._next()
            # a task of its own, which goes on where nothing more is to be taken
            await asyncio.wait({group.create_task(self._keep(messages), name=f"bridge.{self._broker}.sparkplug.keep")})

    async def _next(self) -> list[Inbound]:
        """Messages that have come; none where those that wait for others have waited long enough."""
        due_s = self._order.due_s
        if due_s is None:
            return await self.session.receive(TAKE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, due_s - time.monotonic())):
                return await self.session.receive(TAKE)
        return []

    async def _keep(self, messages: list[Inbound], *, last: bool = False) -> None:
        """Store what these say, and what waited for them or too long; at the `last` all. Then it is acknowledged."""
        self.held = len(messages) + self._order.held
        now, before = datetime.now(UTC), self._order.reordered
        done, told = list[Inbound](), list[tuple[_Taken, Heard]]()
        for number, message in enumerate(messages):
            found = self._hear(message, now + timedelta(microseconds=number))
            if found is None:
                done.append(message)
            else:
                told += found
        told += self._order.rest(time.monotonic()) if last else self._order.overdue(time.monotonic())
        self._metrics.reordered.inc(self._order.reordered - before)
        puts = list[Payload]()
        for taken, heard in told:
            # in the node's order by their times, too: what waited came before what it waited for
            self._last_at = max(taken.came_at, self._last_at + _AFTER)
            puts += self._payloads(taken, heard, self._last_at)
        await asyncio.gather(*(self._put(one) for one in puts))
        for message in [*done, *(taken.message for taken, _ in told)]:
            message.ack()
        self.held = self._order.held
        self._metrics.nodes.labels(self._broker).set(self._nodes.alive)

    def _hear_state(self, message: Inbound) -> None:
        """A will of an earlier connection may come late: then we say again that we are there."""
        if b'"online":false' in message.payload.replace(b" ", b""):
            self._born.set()

    def _hear(self, message: Inbound, came_at: datetime) -> list[tuple[_Taken, Heard]] | None:
        """What is known by a message, in order; empty where it waits for another, None where it is none of a node's."""
        if message.topic == self._state:
            self._hear_state(message)
            return None
        place = None if message.retain else place_of(message.topic)
        if place is None or is_ours(message.topic):
            return None
        owners, size = self._book.owners(self._broker, message.topic, ()), len(message.payload)
        # before it is read: a mebibyte of tiny fields would keep all others waiting for seconds
        if self._keeper.is_too_large(owners, message.topic, size):
            return None
        try:
            payload = decode(message.payload, plain=True)
        except ContractError as error:
            self._keeper.refuse(owners, message.topic, str(error))
            return None
        return self._order.hear(place, payload, _Taken(message, place, came_at), size, time.monotonic())

    def _payloads(self, taken: _Taken, heard: Heard, came_at: datetime) -> list[Payload]:
        """What is to be stored of a message, for each source that it is of; asks for the birth that is wanted."""
        message, place = taken.message, taken.place
        owners = self._book.owners(self._broker, message.topic, ())
        if heard.rebirth:
            self._metrics.rebirths.inc()
            command = NodeTopic(MessageType.NCMD, place.group, place.node)
            self.session.send(Publication(str(command), encode_rebirth(_now_ms()), 0))
            log.info("sparkplug_rebirth_asked", broker=self._broker, group=place.group, node=place.node)
        if heard.gone:
            for owner in owners:
                self._notices.tell(owner, "source_offline", node=f"{place.group}/{place.node}", device=place.device)
        if heard.document is None:
            return []
        body = json.dumps(heard.document, allow_nan=False, default=str).encode()
        key = f"sparkplug-{hashlib.sha256(message.topic.encode() + bytes(1) + message.payload).hexdigest()[:40]}"
        return [
            Payload(owner, key, body, "application/json", message.topic, came_at)
            for owner in self._keeper.admitted(owners, message.topic, len(message.payload), time.monotonic())
        ]

    async def _put(self, payload: Payload) -> None:
        if (repeated := await self._keeper.put(payload)) is not None:
            self._keeper.count(repeated=repeated)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
