"""The load generator: a process with a connection for each device that sends prepared packets as fast as acks allow."""

import argparse
import asyncio
import json
import sys
import time
from datetime import datetime
from pathlib import Path

from benchmarks.packets import Load, connect, payloads, publish
from broker.topics import Kind, Topics

CHUNK = 32
"""Packets joined into one write."""


class Device(asyncio.Protocol):
    """One device's connection: keeps at most `window` publishes unacknowledged."""

    def __init__(self, hello: bytes, packets: list[bytes], window: int) -> None:
        self._hello = hello
        self._packets = packets
        self._window = window
        self._sent = 0
        self._acked = 0
        self._buffer = bytearray()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

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
        """Count acks by walking the packets; all that come here are shorter than 128 bytes."""
        buffer = self._buffer
        buffer += data
        pos, end = 0, len(buffer)
        while pos + 2 <= end and pos + 2 + buffer[pos + 1] <= end:
            kind = buffer[pos] & 0xF0
            if kind == 0x40:
                self._acked += 1
            elif kind == 0x20 and not self.ready.done():
                if buffer[pos + 3]:
                    self.ready.set_exception(ConnectionError(f"CONNACK {buffer[pos + 3]:#x}"))
                else:
                    self.ready.set_result(None)
            pos += 2 + buffer[pos + 1]
        del buffer[:pos]
        if self._sent:
            self.push()

    def push(self) -> None:
        """Send on while the window allows, in chunks."""
        packets, transport = self._packets, self._transport
        if transport is None:
            return
        while self._sent < len(packets):
            room = min(self._window - (self._sent - self._acked), len(packets) - self._sent)
            if room < min(CHUNK, len(packets) - self._sent):
                return
            transport.write(b"".join(packets[self._sent : self._sent + room]))
            self._sent += room
        if self._acked >= len(packets) and not self.done.done():
            self.done.set_result(None)


async def run(options: argparse.Namespace, users: dict[str, str]) -> dict[str, float]:
    """Prepare, connect, wait for a line on stdin, send all, and say when it began and ended (Unix seconds)."""
    load = Load(options.values, options.devices, options.messages)
    topics = Topics(options.root)
    start = datetime.fromisoformat(options.start)
    loop = asyncio.get_running_loop()
    devices = []
    for number, (user, password) in enumerate(list(users.items())[: load.devices]):
        topic = topics.of(Kind.READINGS, user)
        made = payloads(load, number, start, options.boot)
        packets = [publish(topic, payload, index % 65535 + 1) for index, payload in enumerate(made)]
        hello = connect(f"load-{user}", user, password)
        _, device = await loop.create_connection(
            lambda hello=hello, packets=packets: Device(hello, packets, options.window), options.host, options.port
        )
        await device.ready
        devices.append(device)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    began = time.time()
    for device in devices:
        device.push()
    await asyncio.gather(*(device.done for device in devices))
    return {"began": began, "ended": time.time(), "cpu_s": time.process_time()}


def main() -> None:
    """Parse the arguments, run, print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("values", int), ("devices", int), ("messages", int), ("port", int), ("window", int)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    for name in ("root", "host", "users", "start", "boot"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    users = json.loads(Path(options.users).read_text())
    print(json.dumps(asyncio.run(run(options, users))), flush=True)


if __name__ == "__main__":
    main()
