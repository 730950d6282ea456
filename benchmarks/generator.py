"""The load generator: a process whose connections send prepared packets, as fast as acks allow or at a steady rate."""

import argparse
import asyncio
import heapq
import json
import re
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.packets import Load, connect, payloads, publish, stamp, subscribe
from broker.contract.topics import Kind, Topics
from device.outbox.pace import Pace

CHUNK = 32
"""Packets joined into one write."""
TICK_S = 0.004
"""How often what is due is sent, at a steady rate."""
STEADY_GATHER_S = 0.25
"""How long acks gather at a steady rate: nothing waits for them."""
STAMP_BYTES = 27
GATHER_S = 0.05
"""How long acks gather at most while connections flood: a read for each would cost as much as what is measured."""
MOST_MESSAGES_S = 200_000
"""A rate that no broker here comes near: acks gather no longer than the windows together allow it."""
_AT = re.compile(rb'"at":"')


class Connection(asyncio.Protocol):
    """One connection: keeps at most `window` publishes unacknowledged, but for those that are sent at a steady rate."""

    def __init__(self, hello: bytes, packets: list[bytes], window: int) -> None:
        self._hello = hello
        self.packets = packets
        self._window = window
        self._sent = 0
        self._acked = 0
        self._buffer = bytearray()
        self._flooding = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self.pace = Pace(time.monotonic())
        self._sent_s: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say CONNECT."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - tells the type
        self._transport = transport
        transport.write(self._hello)

    def connection_lost(self, exc: Exception | None) -> None:
        """The broker must not drop a benchmark's device."""
        for future in (self.ready, self.done):
            if not future.done():
                future.set_exception(exc or ConnectionError("the broker closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Walk the packets: count acks, and read receipts."""
        buffer = self._buffer
        if not buffer and _only_acks(data):
            self._acked += len(data) // 4
        else:
            buffer += data
            self._walk(buffer)
        if self._flooding:
            self._push()
        self._finish()

    def _walk(self, buffer: bytearray) -> None:
        pos = 0
        while (body := _body(buffer, pos)) is not None:
            kind = buffer[pos] & 0xF0
            if kind == 0x40:
                self._acked += 1
            elif kind == 0x20 and not self.ready.done():
                if buffer[body.start + 1]:
                    self.ready.set_exception(ConnectionError(f"CONNACK {buffer[body.start + 1]:#x}"))
                else:
                    self.ready.set_result(None)
            elif kind == 0x30:
                self._confirmed(bytes(buffer[body.start : body.stop]))
            pos = body.stop
        del buffer[:pos]

    def listen(self, topic: str) -> None:
        """Ask for the device's receipts, and keep the pace that they allow from now on."""
        assert self._transport is not None  # noqa: S101 - connected before
        self._transport.write(subscribe(topic))

    def next_due_s(self, now_s: float) -> float | None:
        """Send what is due by the pace; when the next is, or None after the last."""
        pace = self.pace
        while self._sent < len(self.packets) and pace.wait_s(now_s) == 0:
            self.send(self.packets[self._sent])
            self._sent_s.append(now_s)
            pace.sent(now_s)
        return now_s + pace.wait_s(now_s) if self._sent < len(self.packets) else None

    def _confirmed(self, body: bytes) -> None:
        """A receipt: the device's numbers are the places of its packets, counted from 1."""
        topic_end = 2 + int.from_bytes(body[:2], "big")
        ranges = [one for boot in json.loads(body[topic_end + 1 :])["boots"].values() for one in boot]
        newest = max(last for _, last in ranges)
        if newest <= len(self._sent_s):
            self.pace.confirmed(self._sent_s[newest - 1], time.monotonic())

    def flood(self) -> None:
        """Send on whenever the window allows, in chunks."""
        self._flooding = True
        self._push()

    def send(self, packet: bytes) -> None:
        """Send one now."""
        assert self._transport is not None  # noqa: S101 - connected before
        self._transport.write(packet)
        self._sent += 1

    def _push(self) -> None:
        packets, transport = self.packets, self._transport
        if transport is None:
            return
        while self._sent < len(packets):
            room = min(self._window - (self._sent - self._acked), len(packets) - self._sent)
            if room < min(CHUNK, len(packets) - self._sent):
                return
            transport.write(b"".join(packets[self._sent : self._sent + room]))
            self._sent += room

    def _finish(self) -> None:
        if self._acked >= len(self.packets) and not self.done.done():
            self.done.set_result(None)


class Stamps:
    """Times as they stand in messages; the text of a second is made once."""

    def __init__(self) -> None:
        self._second = -1
        self._text = b""

    def of(self, at_us: int) -> bytes:
        """The stamp of a Unix time in microseconds."""
        second, us = divmod(at_us, 1_000_000)
        if second != self._second:
            self._second, self._text = second, stamp(datetime.fromtimestamp(second, UTC)).encode()[:-7]
        return b"%b%06dZ" % (self._text, us)


@dataclass(frozen=True, slots=True)
class Unstamped:
    """A packet of a connection, and where the times of its samples stand."""

    connection: Connection
    packet: bytes
    places: tuple[int, ...]

    @classmethod
    def of(cls, connection: Connection, packet: bytes) -> "Unstamped":
        """Find the times in a packet."""
        return cls(connection, packet, tuple(found.end() for found in _AT.finditer(packet)))

    def at(self, at_us: int, step_us: int, stamps: Stamps) -> bytes:
        """The packet with its last sample at this time, and those before it a step earlier each."""
        out = bytearray(self.packet)
        for before, place in enumerate(reversed(self.places)):
            out[place : place + STAMP_BYTES] = stamps.of(at_us - before * step_us)
        return bytes(out)


async def run(load: Load, host: str, port: int, root: str, ca: str | None) -> dict[str, float]:
    """Prepare, connect, wait for a line on stdin, send all, and say when it began and ended (Unix seconds)."""
    loop = asyncio.get_running_loop()
    tls = ssl.create_default_context(cafile=ca) if ca else None
    connections = []
    # all packets first: a connection that waits for them would be taken for dead
    prepared = [list(_packets(load, Topics(root), one.devices)) for one in load.connections]
    for number, (one, packets) in enumerate(zip(load.connections, prepared, strict=True)):
        hello = connect(f"load-{load.source}-{load.boot}-{number}", one.user, one.password)
        _, connection = await loop.create_connection(
            lambda hello=hello, packets=packets: Connection(hello, packets, load.window), host, port, ssl=tls
        )
        await connection.ready
        if load.by_receipts:
            connection.listen(Topics(root).of(Kind.RECEIPTS, one.devices[0]))
        connections.append(connection)
    order = [Unstamped.of(*one) for group in _in_turn(connections) for one in group] if load.rate else []
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    began = time.time()
    if load.by_receipts:
        await _by_receipts(connections)
    elif load.rate:
        await _steadily(load, order)
    else:
        await _flood(load, connections)
    await asyncio.gather(*(connection.done for connection in connections))
    return {"began": began, "ended": time.time(), "cpu_s": time.process_time()}


def _packets(load: Load, topics: Topics, devices: tuple[str, ...]) -> Iterator[bytes]:
    """The packets of one connection: a message of each of its devices in turn."""
    made = [(topics.of(Kind.READINGS, device), payloads(load, f"BEN:{load.values:03d}{device}")) for device in devices]
    mid = 0
    for _ in range(load.messages):
        for topic, messages in made:
            mid = mid % 65535 + 1
            yield publish(topic, next(messages), mid)


async def _by_receipts(connections: list[Connection]) -> None:
    """Let each device send at the pace that its receipts allow."""
    now_s = time.monotonic()
    due = [(now_s, number) for number, _ in enumerate(connections)]
    while due:
        now_s = time.monotonic()
        while due and due[0][0] <= now_s:
            _, number = heapq.heappop(due)
            next_s = connections[number].next_due_s(now_s)
            if next_s is not None:
                # a receipt may have it go sooner
                heapq.heappush(due, (min(next_s, now_s + 0.5), number))
        await asyncio.sleep(TICK_S)


async def _flood(load: Load, connections: list[Connection]) -> None:
    """Let all send as their windows allow, and read acks in lots: the loop sleeps while they gather."""
    gather_s = min(GATHER_S, load.window * len(connections) / MOST_MESSAGES_S)
    for connection in connections:
        connection.flood()
    while not all(connection.done.done() for connection in connections):
        time.sleep(gather_s)  # noqa: ASYNC251 - that the loop stands still is what saves the reads
        await asyncio.sleep(0)


def _only_acks(data: bytes) -> bool:
    """Whether these bytes are whole PUBACKs of two bytes each and nothing else (MQTT 5 3.4)."""
    count, rest = divmod(len(data), 4)
    return not rest and data[::4] == b"\x40" * count and data[1::4] == b"\x02" * count


def _body(buffer: bytearray, pos: int) -> range | None:
    """Where the body of the packet at a place lies, None where it is not whole yet."""
    length, shift, at = 0, 0, pos + 1
    while at < len(buffer):
        length |= (buffer[at] & 0x7F) << shift
        at += 1
        if buffer[at - 1] < 0x80:
            return range(at, at + length) if at + length <= len(buffer) else None
        shift += 7
    return None


async def _steadily(load: Load, order: list[Unstamped]) -> None:
    """Send what is due every few milliseconds, each sample stamped with the time at which it was due.

    As a flood does it reads acks in lots: what is measured is not to share its cores with one read for each.
    """
    stamps = Stamps()
    began_s, sent, read_s = time.time() + TICK_S, 0, 0.0
    while sent < len(order):
        now_s = time.time()
        due = min(len(order), int((now_s - began_s) * load.rate))
        for number in range(sent, due):
            one = order[number]
            one.connection.send(one.at(int((began_s + number / load.rate) * 1e6), load.step_us, stamps))
        sent = max(sent, due)
        time.sleep(TICK_S)  # noqa: ASYNC251 - that the loop stands still is what saves the reads
        if now_s - read_s >= STEADY_GATHER_S:
            read_s = now_s
            await asyncio.sleep(0)


def _in_turn(connections: list[Connection]) -> Iterator[list[tuple[Connection, bytes]]]:
    for number in range(max(len(connection.packets) for connection in connections)):
        yield [(one, one.packets[number]) for one in connections if number < len(one.packets)]


def main() -> None:
    """Read the load from stdin's first line, run, print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    for name in ("root", "host"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ca", help="come over TLS, and trust this authority")
    options = parser.parse_args()
    load = Load.from_json(json.loads(sys.stdin.readline()))
    print(json.dumps(asyncio.run(run(load, options.host, options.port, options.root, options.ca))), flush=True)


if __name__ == "__main__":
    main()
