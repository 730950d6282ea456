"""The bridge as a Sparkplug host application at one broker: its state, what edge nodes say, and births asked for."""

import asyncio
import hashlib
import json
import time
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
from intake.bridge.notices import Notices
from intake.bridge.settings import BridgeSettings
from intake.bridge.sparkplug.nodes import Nodes, place_of
from intake.inbox.payload import Payload

log = structlog.get_logger()
TAKE: Final = 250


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
            messages = await self.session.receive(TAKE)
            # a task of its own, which goes on where nothing more is to be taken
            await asyncio.wait({group.create_task(self._keep(messages), name=f"bridge.{self._broker}.sparkplug.keep")})

    async def _keep(self, messages: list[Inbound]) -> None:
        self.held = len(messages)
        now = datetime.now(UTC)
        puts = []
        for number, message in enumerate(messages):
            if message.topic == self._state:
                self._hear_state(message)
            elif not message.retain:
                puts += self._heard(message, now + timedelta(microseconds=number))
        await asyncio.gather(*(self._put(one) for one in puts))
        for message in messages:
            message.ack()
        self.held = 0
        self._metrics.nodes.labels(self._broker).set(self._nodes.alive)

    def _hear_state(self, message: Inbound) -> None:
        """A will of an earlier connection may come late: then we say again that we are there."""
        if b'"online": false' in message.payload or b'"online":false' in message.payload:
            self._born.set()

    def _heard(self, message: Inbound, came_at: datetime) -> list[Payload]:
        place = place_of(message.topic)
        if place is None or is_ours(message.topic):
            return []
        owners = self._book.owners(self._broker, message.topic, ())
        size = len(message.payload)
        # before it is read: a mebibyte of tiny fields would keep all others waiting for seconds
        if self._keeper.is_too_large(owners, message.topic, size):
            return []
        try:
            heard = self._nodes.hear(place, decode(message.payload, plain=True), time.monotonic())
        except ContractError as error:
            self._keeper.refuse(owners, message.topic, str(error))
            return []
        if heard.rebirth:
            self._metrics.rebirths.inc()
            now_ms = _now_ms()
            command = NodeTopic(MessageType.NCMD, place.group, place.node)
            self.session.send(Publication(str(command), encode_rebirth(now_ms), 0))
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
            for owner in self._keeper.admitted(owners, message.topic, size, time.monotonic())
        ]

    async def _put(self, payload: Payload) -> None:
        if (repeated := await self._keeper.put(payload)) is not None:
            self._keeper.count(repeated=repeated)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
