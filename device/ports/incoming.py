"""What comes on an open line, kept within bounds until it is taken; by telnet as well as bare."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from broker.errors import ContractError
from device.line_settings import LineSettings
from device.ports.rfc2217 import Rfc2217

BUFFER_BYTES: Final = 256 * 1024
"""Read and not yet taken; when full, reading pauses and the kernel's buffer is the next bound."""
UNTAKEN_BYTES: Final = 64 * 1024
"""Answers that a server of RFC 2217 has not taken yet."""
TOGETHER_S: Final = 0.02
"""What comes so soon after what was not taken yet is taken together with it: telegrams lie further apart."""


@dataclass(slots=True)
class Chunk:
    """Bytes that came one after another without a pause, and when the last of them did, by the monotonic clock."""

    arrived_s: float
    data: bytearray


class Incoming(asyncio.Protocol):
    """Chunks in the order in which they came; `gone` says why nothing more will."""

    def __init__(self) -> None:
        self.taken_s = time.monotonic()
        self.chunks: deque[Chunk] = deque()
        self.size = 0
        self.arrived = asyncio.Event()
        self.gone: str | None = None
        self.closed = asyncio.Event()
        self.transport: Any = None
        self._paused = False

    def connection_made(self, transport: Any) -> None:
        """The line is open."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep what came, and read on only while there is room."""
        now_s, last = time.monotonic(), self.chunks[-1] if self.chunks else None
        if last is not None and now_s - last.arrived_s < TOGETHER_S:
            last.data += data
            last.arrived_s = now_s
        else:
            self.chunks.append(Chunk(now_s, bytearray(data)))
        self.size += len(data)
        self.arrived.set()
        if self.size > BUFFER_BYTES and not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is gone; what came before may still be taken."""
        self.gone = str(exc) if exc else "closed"
        self.arrived.set()
        self.closed.set()

    def take(self) -> bytes:
        """The oldest chunk, b'' where there is none."""
        if not self.chunks:
            self.arrived.clear()
            return b""
        chunk = self.chunks.popleft()
        self.taken_s = chunk.arrived_s
        self.size -= len(chunk.data)
        if not self.chunks:
            self.arrived.clear()
        if self._paused and self.gone is None and self.size <= BUFFER_BYTES:
            self._paused = False
            self.transport.resume_reading()
        return bytes(chunk.data)

    def forget(self) -> None:
        """Leave all of it alone."""
        while self.chunks:
            self.take()


class IncomingTelnet(Incoming):
    """The same at a serial server whose line is set from here (RFC 2217)."""

    def __init__(self, settings: LineSettings) -> None:
        super().__init__()
        self._settings = settings
        self.rfc2217 = Rfc2217()
        self.agreed = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        """Agree on telnet and set the line."""
        super().connection_made(transport)
        transport.write(self.rfc2217.start(self._settings))

    def data_received(self, data: bytes) -> None:
        """Keep the line's own bytes, and answer the rest."""
        try:
            line, answer = self.rfc2217.feed(data)
        except ContractError as error:
            self.transport.abort()
            self.connection_lost(error)
            return
        if answer:
            self.transport.write(answer)
            if self.transport.get_write_buffer_size() > UNTAKEN_BYTES:
                self.transport.abort()
                self.connection_lost(ContractError("the server asks and asks, and takes no answer"))
                return
        if self.rfc2217.accepted:
            self.agreed.set()
        if line:
            super().data_received(line)

    def connection_lost(self, exc: Exception | None) -> None:
        """A refusal says more than the closed connection that follows it."""
        if self.gone is None:
            super().connection_lost(exc)
        self.agreed.set()
