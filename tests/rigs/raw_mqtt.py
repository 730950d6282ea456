"""A bare MQTT client that does as it is told, also what no agent would, and remembers what it was answered."""

import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from broker.contract.identity import ROLES
from deploy.local.process import until
from tests.rigs.certificates import Pair

DEADLINE_S = 60.0


@dataclass(frozen=True)
class As:
    """Who connects, and how: by a password, or to `port` by a certificate."""

    user: str
    password: str | None = None
    pair: Pair | None = None
    trust: Path | None = None
    port: int | None = None
    client_id: str | None = None
    will: str | None = None
    receive_maximum: int = 1000
    manual_ack: bool = False


@dataclass
class Raw:
    """A connected client, what came to it, and whether the connection has ended."""

    client: mqtt.Client
    received: list[tuple[str, bytes]] = field(default_factory=list)
    answers: dict[int, bool] = field(default_factory=dict)
    ended: bool = False

    @property
    def refusals(self) -> list[int]:
        """The packet ids of what the broker refused."""
        return [mid for mid, taken in self.answers.items() if not taken]

    async def publish(self, topic: str, payload: bytes = b"{}", *, retain: bool = False) -> bool:
        """Publish at QoS 1 and wait for the PUBACK; whether the broker took it."""
        info = self.client.publish(topic, payload, qos=1, retain=retain)
        await until(lambda: info.mid in self.answers or self.ended, timeout_s=DEADLINE_S)
        return self.answers.get(info.mid, False)

    async def subscribe(self, *filters: str) -> list[bool]:
        """Subscribe and wait for the SUBACK; which of the filters were granted."""
        done: list[list[ReasonCode]] = []
        self.client.on_subscribe = lambda *arguments: done.append(arguments[3])
        self.client.subscribe([(each, SubscribeOptions(qos=1)) for each in filters])
        await until(lambda: bool(done) or self.ended, timeout_s=DEADLINE_S)
        return [not code.is_failure for code in done[0]] if done else [False] * len(filters)

    async def unsubscribe(self, topic: str) -> bool:
        """Unsubscribe and wait for the UNSUBACK; whether it was granted."""
        done: list[ReasonCode] = []
        self.client.on_unsubscribe = lambda *arguments: done.append(arguments[3][0])
        self.client.unsubscribe(topic)
        await until(lambda: bool(done), timeout_s=DEADLINE_S)
        return not done[0].is_failure

    def vanish(self) -> None:
        """Cut the connection without a word, so that the broker sends the will."""
        # not closed: the client's thread waits for it, and would wait on
        self.client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]

    def topics(self) -> list[str]:
        """Topics of what came, in order."""
        return [topic for topic, _ in self.received]


@asynccontextmanager
async def connected(host: str, port: int, who: As) -> AsyncIterator[Raw]:
    """Connect. Raises PermissionError where the broker says no, in a CONNACK or by ending the connection."""
    own_id = f"{who.user}-{secrets.token_hex(4)}" if who.user in ROLES else who.user
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=own_id if who.client_id is None else who.client_id,
        protocol=mqtt.MQTTv5,
        manual_ack=who.manual_ack,
        reconnect_on_failure=False,
    )
    if who.password is not None:
        client.username_pw_set(who.user, who.password)
    if who.trust is not None:
        files = {} if who.pair is None else {"certfile": str(who.pair.certificate), "keyfile": str(who.pair.key)}
        client.tls_set(str(who.trust), **files)
    if who.will is not None:
        client.will_set(who.will, b"gone", qos=1)
    raw, refused = Raw(client), list[str]()
    greeted: list[ReasonCode] = []

    def gone(*arguments: object) -> None:
        raw.ended = True
        refused.append(str(arguments[3]))

    client.on_connect = lambda *arguments: greeted.append(arguments[3])
    client.on_disconnect = gone
    client.on_message = lambda _client, _userdata, message: raw.received.append((message.topic, bytes(message.payload)))
    client.on_publish = lambda *arguments: raw.answers.update({arguments[2]: not arguments[3].is_failure})
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = who.receive_maximum
    try:
        client.connect(host, who.port or port, clean_start=True, properties=properties)
        client.loop_start()
        await until(lambda: bool(greeted or refused), timeout_s=DEADLINE_S)
        if not greeted or greeted[0].is_failure:
            raise PermissionError(str(greeted[0] if greeted else refused[0]))
        yield raw
    except OSError as error:
        raise PermissionError(str(error)) from error
    finally:
        client.disconnect()
        client.loop_stop()
