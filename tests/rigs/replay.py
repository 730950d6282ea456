"""A meter that replays captured bytes on a pty, byte by byte or in random slices, at its own line speed only."""

import asyncio
import contextlib
import fcntl
import os
import pty
import random
import struct
import termios
import tty
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

SPEEDS = {115200: termios.B115200, 9600: termios.B9600, 300: termios.B300}


@dataclass(slots=True)
class Replay:
    """Replays `data` again and again until stopped; `rounds` counts how often it was sent whole."""

    data: bytes
    baud: int
    seed: int
    byte_by_byte: bool = False
    pause_s: float = 0.3
    port: str = ""
    rounds: int = 0
    _master: int = -1
    _slave: int = -1
    _random: random.Random = field(default_factory=random.Random)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Replay"]:
        """Open the pty and send; the slave end stays open so that the agent may come and go."""
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._random.seed(self.seed)
        task = asyncio.create_task(self._send(), name=f"replay.{self.port}")
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            os.close(self._master)
            os.close(self._slave)

    async def _send(self) -> None:
        while True:
            if termios.tcgetattr(self._slave)[4] == SPEEDS[self.baud]:
                await self._once()
                self.rounds += 1
            await asyncio.sleep(self.pause_s)

    async def _once(self) -> None:
        pos = 0
        while pos < len(self.data):
            size = 1 if self.byte_by_byte else self._random.randint(1, 200)
            with contextlib.suppress(BlockingIOError):
                pos += os.write(self._master, self.data[pos : pos + size])
            if self._unread() > 2000 or pos % 64 == 0:
                await asyncio.sleep(0.002)
            else:
                await asyncio.sleep(0)

    def _unread(self) -> int:
        count: int = struct.unpack("i", fcntl.ioctl(self._slave, termios.FIONREAD, b"\0\0\0\0"))[0]
        return count
