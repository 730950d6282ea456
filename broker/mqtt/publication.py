"""What travels over a session: messages to send, messages received, and how a session is to behave."""

import asyncio
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Final, Protocol

KEEPALIVE_S: Final = 30
NO_SUBSCRIBERS: Final = 0x10
"""The PUBACK of a broker that had nobody to give the message to (MQTT 5 3.4.2.1)."""


def subscription_id(topic_filter: str) -> int:
    """The identifier of a filter's subscription: the same after a restart, as what the broker kept carries it."""
    return 1 + zlib.crc32(topic_filter.encode()) % 268_435_455


@dataclass(frozen=True, slots=True)
class Publication:
    """A message to send; `expiry_s`, `response_topic` and `correlation` are MQTT 5 properties."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None
    response_topic: str | None = None
    correlation: bytes | None = None


class Acknowledging(Protocol):
    """The connection that a message came by; `lost` is done once it is gone."""

    lost: asyncio.Future[str]

    def ack(self, mid: int, qos: int) -> None:
        """Acknowledge a message by its packet id."""

    def ack_all(self, mids: list[int]) -> None:
        """Acknowledge messages of QoS 1 by their packet ids."""


@dataclass(slots=True, eq=False)
class Inbound:
    """A received message, not acknowledged until `ack()`; after a lost connection the broker sends it again.

    `expires_s` is when its life ends by the event loop's clock (MQTT 5 3.3.2.3.3), None for one without end. With `dup`
    the broker has sent it before, and had no acknowledgement (MQTT 5 3.3.1.1).
    """

    topic: str
    payload: bytes
    retain: bool
    qos: int
    mid: int
    response_topic: str | None
    correlation: bytes | None
    _connection: "Acknowledging" = field(repr=False)
    expires_s: float | None = None
    dup: bool = False
    subscriptions: tuple[int, ...] = ()
    """Identifiers of the subscriptions by which it came, where the session has them."""

    @property
    def current(self) -> bool:
        """Whether the connection that it came by still stands, so that what it says of the broker still holds."""
        return not self._connection.lost.done()

    def ack(self) -> None:
        """Tell the broker that this message is dealt with; nothing happens if its connection is gone."""
        self._connection.ack(self.mid, self.qos)


def ack_all(messages: Iterable[Inbound]) -> None:
    """Acknowledge messages in this order (MQTT 5 4.6), those of one connection at once."""
    for connection, some in groupby(messages, key=attrgetter("_connection")):
        plain, others = list[Inbound](), list[Inbound]()
        for message in some:
            (plain if message.qos == 1 else others).append(message)
        connection.ack_all([message.mid for message in plain])
        for message in others:
            message.ack()


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a session behaves.

    `receive_maximum` (MQTT 5 3.1.2.11.3) bounds what the broker sends ahead of our acks, and so the intake queue;
    QoS 0 messages that find it full are counted in `Session.dropped_qos0`, logged, dropped. `in_flight` bounds our own
    unacknowledged publishes. A `will` that is a function is asked before each connection.
    With `refusal_is_fatal` a refused login ends the session, else it is retried for ever.
    `no_local` asks the broker not to send us what we publish (MQTT 5 3.8.3.1), where the subscription is not shared;
    of QoS 0, topics that end with `ignored` are passed over as they come. What the broker refuses of `subscriptions`
    is an error; what it refuses of `optional` ones is done without, and asked for again now and then. Nothing
    more is read from the broker while payloads of `receive_bytes` wait for `Session.receive`, which TCP lets it feel.
    Of a broker's nodes the first is tried first, with `spread` another one for each client id. With `identified` each
    subscription has the identifier of its filter (MQTT 5 3.8.2.1.2), where the broker has such: a broker may give a
    message once for each of several filters that cover it, and they tell which of them it is. While messages come, the
    socket is read every `gather_s` seconds: hundreds a second cost far less in lots than each by itself.
    """

    client_id: str
    clean_start: bool = True
    session_expiry_s: int = 0
    receive_maximum: int = 1000
    receive_bytes: int | None = None
    gather_s: float = 0.0
    in_flight: int = 100
    keepalive_s: int = KEEPALIVE_S
    will: Publication | Callable[[], Publication] | None = None
    refusal_is_fatal: bool = True
    spread: bool = False
    no_local: bool = False
    identified: bool = False
    ignored: str | None = None
    subscriptions: tuple[tuple[str, int], ...] = ()
    optional: tuple[tuple[str, int], ...] = ()
