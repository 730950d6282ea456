"""One serial line by pyserial-asyncio: opened off the loop, bounded, its settings changed while it is open."""

import asyncio
import contextlib
import errno
import termios
from typing import Any, Final, Self
from urllib.parse import urlsplit

import serial
import serial_asyncio

from broker.errors import TransientError
from device.line_settings import LineSettings
from device.ports.holders import holders
from device.ports.incoming import Incoming, IncomingTelnet

SCHEMES: Final = ("socket", "rfc2217", "modbus+tcp", "dlms+tcp")
OPEN_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 2.0


class LineGoneError(TransientError):
    """The port can't be opened, or vanished while it was open."""


class LineBusyError(LineGoneError):
    """The port is there, and another program has it; `held_by` names who, as far as that is known."""

    def __init__(self, path: str, held_by: list[str]) -> None:
        who = ", ".join(held_by) or "another program, which only root may see"
        super().__init__(f"{path} is in use by {who}: stop it, or give the agent another port")
        self.held_by = held_by


class Line:
    """An open port; who opens it closes it. Seven-bit settings give bytes without a parity bit."""

    def __init__(self, path: str, port: Any, reader: Incoming, settings: LineSettings) -> None:
        """Over a network `port` is None: who is at the other end has set the line, or sets it by RFC 2217."""
        self.path = path
        self.settings = settings
        self._port = port
        self._reader = reader
        self._telnet = reader.rfc2217 if isinstance(reader, IncomingTelnet) else None

    @classmethod
    async def open(cls, path: str, settings: LineSettings) -> Self:
        """Open a port, or a connection to `scheme://host:port`. Raises LineGoneError."""
        if "://" in path:
            return await cls._connect(path, settings)
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
        reader = Incoming()
        await serial_asyncio.connection_for_serial(asyncio.get_running_loop(), lambda: reader, port)
        return cls(path, port, reader, settings)

    @classmethod
    async def _connect(cls, path: str, settings: LineSettings) -> Self:
        reader = IncomingTelnet(settings) if path.startswith("rfc2217://") else Incoming()
        try:
            host, port = _host_and_port(path)
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await asyncio.get_running_loop().create_connection(lambda: reader, host, port)
                if isinstance(reader, IncomingTelnet):
                    await reader.agreed.wait()
        except (OSError, ValueError) as error:
            if reader.transport is None:
                raise LineGoneError(f"{path}: {str(error) or 'connecting takes too long'}") from error
            reader.transport.abort()
            raise LineGoneError(f"{path}: no RFC 2217 is spoken there; write socket:// for bare TCP") from error
        except asyncio.CancelledError:
            if reader.transport is not None:
                reader.transport.abort()
            raise
        if reader.gone is not None:
            raise LineGoneError(f"{path}: {reader.gone}")
        return cls(path, None, reader, settings)

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
        return _strip(data) if self.settings.bits == 7 and (self._port is not None or self._telnet) else data

    @property
    def arrived_s(self) -> float:
        """When what was read last had come, by the monotonic clock."""
        return self._reader.taken_s

    def write(self, data: bytes) -> None:
        """Send bytes. Raises LineGoneError."""
        if self._reader.gone is not None:
            raise LineGoneError(f"{self.path}: {self._reader.gone}")
        self._reader.transport.write(self._telnet.escape(data) if self._telnet else data)

    def forget(self) -> None:
        """Leave alone what has come and was not taken: it answers nothing that is asked from now on."""
        self._reader.forget()

    def configure(self, settings: LineSettings, *, discard: bool = True) -> None:
        """Change baud rate, bits and parity; what came by the old ones is discarded. Raises LineGoneError."""
        try:
            if self._port is not None:
                _apply(self._port, settings)
            elif self._telnet and self._reader.gone is None:
                self._reader.transport.write(
                    self._telnet.configure(settings) + (self._telnet.discard() if discard else b"")
                )
            self.settings = settings
            if discard:
                if self._port is not None:
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


def _host_and_port(url: str) -> tuple[str, int]:
    """Both parts of an address. Raises ValueError that says how one is written."""
    found = urlsplit(url)
    if found.scheme not in SCHEMES or not found.hostname or not found.port:
        raise ValueError(f"write it as {' or '.join(f'{scheme}://host:port' for scheme in SCHEMES)}")
    return found.hostname, found.port


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
