"""A broker of MQTT 5 that says what a test wants it to say, for answers that Mosquitto never gives."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from broker.runtime.settings import BrokerAddress
from tests.rigs.waiting import until

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = (
    1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15,
)  # fmt: skip
PROPERTIES: Final = {CONNACK: PacketTypes.CONNACK, PUBACK: PacketTypes.PUBACK, DISCONNECT: PacketTypes.DISCONNECT}


@dataclass(frozen=True)
class Packet:
    """A packet of a client: its kind, the flags of its first byte, and all behind its length."""

    kind: int
    flags: int
    body: bytes

    @property
    def size(self) -> int:
        """Its octets on the wire."""
        return 1 + len(_length(len(self.body))) + len(self.body)

    @property
    def qos(self) -> int:
        """Of a PUBLISH."""
        return self.flags >> 1 & 3

    @property
    def topic(self) -> str:
        """Of a PUBLISH."""
        return self.body[2 : 2 + int.from_bytes(self.body[:2], "big")].decode()

    @property
    def packet_id(self) -> int:
        """Of a PUBLISH of QoS 1, a SUBSCRIBE, an UNSUBSCRIBE or a PUBACK."""
        at = 2 + int.from_bytes(self.body[:2], "big") if self.kind == PUBLISH else 0
        return int.from_bytes(self.body[at : at + 2], "big")

    @property
    def filters(self) -> list[tuple[str, int]]:
        """Of a SUBSCRIBE without properties."""
        found, at = [], 3
        while at < len(self.body):
            end = at + 2 + int.from_bytes(self.body[at : at + 2], "big")
            found.append((self.body[at + 2 : end].decode(), self.body[end] & 3))
            at = end + 1
        return found


@dataclass
class Client:
    """One connection to the broker, and all that came by it."""

    writer: asyncio.StreamWriter
    got: list[Packet] = field(default_factory=list)
    gone: bool = False

    def of(self, kind: int) -> list[Packet]:
        """What came of one kind."""
        return [packet for packet in self.got if packet.kind == kind]

    def say(self, kind: int, body: bytes = b"", flags: int = 0) -> None:
        """Send a packet."""
        self.writer.write(bytes([kind << 4 | flags]) + _length(len(body)) + body)

    def publish(self, topic: str, payload: bytes, packet_id: int = 1, flags: int = 2) -> None:
        """Send a message, of QoS 1 unless the flags say otherwise."""
        name = topic.encode()
        self.say(PUBLISH, len(name).to_bytes(2, "big") + name + packet_id.to_bytes(2, "big") + b"\0" + payload, flags)

    def end(self, reason: int, **properties: Any) -> None:
        """Send a DISCONNECT and hang up."""
        self.say(DISCONNECT, bytes([reason]) + packed(DISCONNECT, **properties))
        self.writer.close()


@dataclass
class ScriptedBroker:
    """What it answers; a test changes it as it likes, and looks at `clients`, one for each connection."""

    port: int = 0
    clients: list[Client] = field(default_factory=list)
    connack: dict[str, Any] = field(default_factory=dict)
    connack_code: int = 0
    session_present: bool = False
    suback: Callable[[str, int], int] = lambda _name, qos: qos
    puback: Callable[[Packet], int | None] = lambda _packet: 0
    puback_says: dict[str, Any] = field(default_factory=dict)
    on_packet: Callable[[Client, Packet], bool] = lambda _client, _packet: False
    """Called first; True where it has dealt with the packet."""

    @property
    def address(self) -> BrokerAddress:
        """Where it is."""
        return BrokerAddress(port=self.port, username="someone")

    @property
    def last(self) -> Client:
        """The newest connection."""
        return self.clients[-1]

    async def came(self, kind: int, count: int = 1) -> list[Packet]:
        """Wait until so many packets of a kind came by the newest connection."""
        await until(lambda: bool(self.clients) and len(self.last.of(kind)) >= count)
        return self.last.of(kind)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until its end."""
        client = Client(writer)
        self.clients.append(client)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                packet = await _read(reader)
                client.got.append(packet)
                if not self.on_packet(client, packet):
                    self._answer(client, packet)
                await writer.drain()
        client.gone = True
        writer.close()

    def _answer(self, client: Client, packet: Packet) -> None:
        wanted = packet.body[:2]
        if packet.kind == CONNECT:
            client.say(CONNACK, bytes([self.session_present, self.connack_code]) + packed(CONNACK, **self.connack))
        elif packet.kind == SUBSCRIBE:
            client.say(SUBACK, wanted + b"\0" + bytes(self.suback(name, qos) for name, qos in packet.filters))
        elif packet.kind == UNSUBSCRIBE:
            client.say(UNSUBACK, wanted + b"\0\0")
        elif packet.kind == PUBLISH and packet.qos and (code := self.puback(packet)) is not None:
            client.say(PUBACK, packet.packet_id.to_bytes(2, "big") + bytes([code]) + packed(PUBACK, **self.puback_says))
        elif packet.kind == PINGREQ:
            client.say(PINGRESP)


@contextlib.asynccontextmanager
async def scripted(tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedBroker]:
    """A broker at a port of its own."""
    broker = ScriptedBroker()
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0, ssl=tls)
    broker.port = server.sockets[0].getsockname()[1]
    try:
        yield broker
    finally:
        server.close()
        for client in broker.clients:
            client.writer.transport.abort()


def packed(kind: int, **values: Any) -> bytes:
    """Properties of a packet of ours, by paho's names for them."""
    properties = Properties(PROPERTIES[kind])
    for name, value in values.items():
        setattr(properties, name, value)
    return properties.pack()


def _length(value: int) -> bytes:
    octets = bytearray()
    while True:
        value, digit = divmod(value, 128)
        octets.append(digit | (128 if value else 0))
        if not value:
            return bytes(octets)


async def _read(reader: asyncio.StreamReader) -> Packet:
    first = (await reader.readexactly(1))[0]
    length, shift = 0, 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length |= (digit & 127) << shift
        shift += 7
        if digit < 128:
            return Packet(first >> 4, first & 15, await reader.readexactly(length))
