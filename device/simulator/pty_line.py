"""The meter's end of a pty: it sees the reader's baud rate, and is understood at the right one only."""

import asyncio
import contextlib
import os
import random
import termios
import tty
from pathlib import Path
from typing import Final

from broker.errors import PermanentError

_BAUDS: Final = {
    getattr(termios, f"B{baud}"): baud for baud in (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
}
READ_BYTES: Final = 4096


class PtyLine:
    """A pty whose slave is the serial port; the slave is kept open, so that readers may come and go.

    Bytes that nobody takes are lost when the kernel's buffer is full, as on a wire. `link` is a stable name for the
    port, a symbolic link to the slave; only a symbolic link is ever replaced by it. Raises PermanentError where the
    link can't be made.
    """

    def __init__(self, link: Path | None = None, *, seed: int = 0) -> None:
        self._link = link
        if link is not None:
            _clear(link)
        self._noise = random.Random(seed)  # noqa: S311 - noise needs no cryptography
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._heard = bytearray()
        self._arrived = asyncio.Event()
        self.slave_path = os.ttyname(self._slave)
        if link is not None:
            self._name(link)
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    @property
    def port(self) -> str:
        """What the reader opens."""
        return str(self._link or self.slave_path)

    @property
    def baud(self) -> int:
        """The rate that the reader has set; 0 where it is none of the usual."""
        return _BAUDS.get(termios.tcgetattr(self._slave)[5], 0)

    def send(self, data: bytes, baud: int) -> None:
        """Send at a rate: a reader at another one gets noise."""
        if self.baud != baud:
            data = self._noise.randbytes(max(1, len(data) * min(self.baud, 115200) // baud)) if self.baud else b""
        with contextlib.suppress(BlockingIOError):
            while data:
                data = data[os.write(self._master, data) :]

    async def hear(self, timeout_s: float | None) -> bytes:
        """What the reader has sent since the last call; b'' after the timeout."""
        if not self._heard:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
        heard = bytes(self._heard)
        self._heard.clear()
        self._arrived.clear()
        return heard

    def close(self) -> None:
        """Unplug: the reader sees an I/O error and the port is gone."""
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._slave)
        os.close(self._master)
        if self._link is not None:
            # another simulated meter may have taken the name meanwhile
            with contextlib.suppress(OSError):
                if str(self._link.readlink()) == self.slave_path:
                    self._link.unlink()

    def _name(self, link: Path) -> None:
        try:
            link.symlink_to(self.slave_path)
        except OSError as error:
            os.close(self._slave)
            os.close(self._master)
            raise _no_link(link, error) from error

    def _readable(self) -> None:
        try:
            self._heard += os.read(self._master, READ_BYTES)
        except OSError:
            return
        del self._heard[:-READ_BYTES]
        self._arrived.set()


def _clear(link: Path) -> None:
    """Remove an older link of this name, and nothing else."""
    try:
        if link.is_symlink():
            link.unlink()
            return
        taken = link.exists()
    except OSError as error:
        raise _no_link(link, error) from error
    if taken:
        what = "a folder" if link.is_dir() else "no symbolic link"
        raise PermanentError(f"{link} exists and is {what}, so it is left alone: give --link a name that is free")


def _no_link(link: Path, error: OSError) -> PermanentError:
    return PermanentError(f"can't make the link {link}: {error.strerror}; give --link a name in a folder of yours")
