"""One serial line by pyserial-asyncio: opened off the loop, bounded, its settings changed while it is open."""

import asyncio
import contextlib
import errno
import termios
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, Self

import serial
import serial_asyncio

from broker.errors import TransientError
from device.holders import holders

OPEN_TIMEOUT_S: Final = 10.0
BUFFER_BYTES: Final = 256 * 1024
"""Read and not yet taken; when full, reading pauses and the kernel's buffer is the next bound."""
CLOSE_TIMEOUT_S: Final = 2.0
TOGETHER_S: Final = 0.02
"""What comes so soon after what was not taken yet is taken together with it: telegrams lie further apart."""


class LineGoneError(TransientError):
    """The port can't be opened, or vanished while it was open."""


class LineBusyError(LineGoneError):
    """The port is there, and another program has it; `held_by` names who, as far as that can be told."""

    def __init__(self, path: str, held_by: list[str]) -> None:
        who = ", ".join(held_by) or "another program, which only root may see"
        super().__init__(f"{path} is in use by {who}: stop it, or give the agent another port")
        self.held_by = held_by


@dataclass(frozen=True, slots=True, order=True)
class LineSettings:
    """Baud rate, data bits and parity (`N`, `E`, `O`); stop bits are always one."""

    baud: int
    bits: int = 8
    parity: str = "N"

    def __str__(self) -> str:
        return f"{self.baud} {self.bits}{self.parity}1"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `9600 7E1`. Raises ValueError."""
        baud, _, rest = text.partition(" ")
        if len(rest) != 3 or rest[0] not in "78" or rest[1] not in "NEO":
            raise ValueError(f"{text!r} is no line setting")
        return cls(int(baud), int(rest[0]), rest[1])


@dataclass(slots=True)
class Chunk:
    """Bytes that came one after another without a pause, and when the last of them did, by the monotonic clock."""

    arrived_s: float
    data: bytearray


class _Reader(asyncio.Protocol):
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
        self.transport = transport

    def data_received(self, data: bytes) -> None:
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
        self.gone = str(exc) if exc else "closed"
        self.arrived.set()
        self.closed.set()

    def take(self) -> bytes:
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
        while self.chunks:
            self.take()


class Line:
    """An open port; who opens it closes it. Seven-bit settings give bytes without a parity bit."""

    def __init__(self, path: str, port: Any, reader: _Reader, settings: LineSettings) -> None:
        self.path = path
        self.settings = settings
        self._port = port
        self._reader = reader

    @classmethod
    async def open(cls, path: str, settings: LineSettings) -> Self:
        """Open a port. Raises LineGoneError."""
        opening = asyncio.ensure_future(asyncio.to_thread(_open, path, settings))
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                port = await asyncio.shield(opening)
        except (OSError, ValueError, termios.error) as error:
            # serial.SerialException is an OSError; TimeoutError is one, too
            opening.add_done_callback(_close_late)
            if _is_busy(error):
                raise LineBusyError(path, await asyncio.to_thread(holders, path)) from error
            fix = "; add the agent's account to its group (dialout)" if _is_forbidden(error) else ""
            raise LineGoneError(f"{path}: {str(error) or 'opening takes too long'}{fix}") from error
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise
        reader = _Reader()
        await serial_asyncio.connection_for_serial(asyncio.get_running_loop(), lambda: reader, port)
        return cls(path, port, reader, settings)

    async def read(self, timeout_s: float) -> bytes:
        """What has come up to its next pause, as soon as something has; b'' after the timeout. Raises LineGoneError.

        `arrived_s` says when that was: who comes late finds telegrams apart, each with its own time.
        """
        if not self._reader.chunks and self._reader.gone is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._reader.arrived.wait()
        data = self._reader.take()
        if not data and self._reader.gone is not None:
            raise LineGoneError(f"{self.path}: {self._reader.gone}")
        return _strip(data) if self.settings.bits == 7 else data

    @property
    def arrived_s(self) -> float:
        """When what was read last had come, by the monotonic clock."""
        return self._reader.taken_s

    def write(self, data: bytes) -> None:
        """Send bytes. Raises LineGoneError."""
        if self._reader.gone is not None:
            raise LineGoneError(f"{self.path}: {self._reader.gone}")
        self._reader.transport.write(data)

    def configure(self, settings: LineSettings, *, discard: bool = True) -> None:
        """Change baud rate, bits and parity; what came by the old ones is discarded. Raises LineGoneError."""
        try:
            _apply(self._port, settings)
            self.settings = settings
            if discard:
                self._port.reset_input_buffer()
                self._reader.forget()
        except (OSError, ValueError, termios.error) as error:
            raise LineGoneError(f"{self.path}: {error}") from error

    async def close(self) -> None:
        """Close the port without waiting for output that nobody takes."""
        if self._reader.gone is None:
            self._reader.transport.abort()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._reader.closed.wait()


def _is_busy(error: BaseException) -> bool:
    """Whether an opening failed because somebody has locked the port (flock) or keeps it to himself (TIOCEXCL)."""
    return getattr(error, "errno", None) in (errno.EBUSY, errno.EAGAIN)


def _is_forbidden(error: BaseException) -> bool:
    return getattr(error, "errno", None) in (errno.EACCES, errno.EPERM)


def _open(path: str, settings: LineSettings) -> Any:
    port = serial.serial_for_url(path, do_not_open=True)
    port.timeout = 0
    port.exclusive = True
    port.baudrate = settings.baud
    try:
        port.open()
        _apply(port, settings)
    except BaseException:
        port.close()
        raise
    return port


def _apply(port: Any, settings: LineSettings) -> None:
    try:
        port.apply_settings({"baudrate": settings.baud, "bytesize": settings.bits, "parity": settings.parity})
    except termios.error as error:
        if error.args[0] != errno.EINVAL or (settings.bits, settings.parity) == (8, "N"):
            raise
        # a pty, or an adapter without parity: take eight bits, of which read() strips the parity
        with contextlib.suppress(termios.error):
            port.parity = "N"
        port.bytesize = 8
        port.baudrate = settings.baud


def _strip(data: bytes) -> bytes:
    return data.translate(_SEVEN_BITS)


_SEVEN_BITS: Final = bytes(octet & 0x7F for octet in range(256))


def _close_late(opening: "asyncio.Future[Any]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
