"""A link between a service and its server that fails as networks do, or at a word of the database's protocol."""

import asyncio
import os
import random
import secrets
import subprocess
from enum import Enum
from typing import Final

from tests.rigs.proxy import TcpProxy

FIRST_RESEND_S: Final = 0.2
"""Linux's shortest wait before TCP sends a lost segment again; it doubles with each try."""


class Word(Enum):
    """A word of PostgreSQL's protocol by which a link can be stopped: whether it goes there, and its octets.

    Which table a COPY is for is the ingestor's matter: it may be the newest chunk of readings.
    """

    COPY = (True, b'COPY "')
    COPY_DONE = (True, b"c\x00\x00\x00\x04")
    COMMIT = (True, b"Q\x00\x00\x00\x0cCOMMIT;\x00")
    COMMITTED = (False, b"C\x00\x00\x00\x0bCOMMIT\x00")


class Link(TcpProxy):
    """A TCP proxy with addresses of its own on both sides, so that both can vanish from the network.

    `lossy` is the share of chunks that are held up as a lost segment would be, `octets_per_s` a bound on what flows.
    """

    def __init__(self, target_host: str, target_port: int, rng: random.Random) -> None:
        super().__init__(target_host, target_port, host=_address())
        self._source = _address()
        self._rng = rng
        self.lossy = 0.0
        self.octets_per_s = 0.0
        self.hit = asyncio.Event()
        self._armed: Word | None = None
        self._copied = False

    def vanish(self) -> None:
        """Take both addresses off the network: no packet passes in or out and nobody is told (needs root)."""
        if not can_vanish():
            self.stall()
            return
        for address in (self.host, self._source):
            subprocess.run(["ip", "route", "add", "blackhole", f"{address}/32", "table", "local"], check=True)

    async def come_back(self) -> None:
        """Undo `vanish`: connections that nobody gave up meanwhile go on."""
        self._flowing.set()
        if can_vanish():
            for address in (self.host, self._source):
                command = ["ip", "route", "del", "blackhole", f"{address}/32", "table", "local"]
                await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True)

    async def cut(self) -> None:
        """Reset all connections, those of a host that vanished without a word to the other side."""
        self._armed = None
        self.hit.set()
        await super().cut()

    def stop_at(self, word: Word) -> None:
        """Hold the connection that is about to pass this word on; `hit` is set then."""
        self.hit.clear()
        self._copied = False
        self._armed = word

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self._target, local_addr=(self._source, 0))

    async def _see(self, chunk: bytes, *, there: bool) -> None:
        if self.octets_per_s:
            await asyncio.sleep(len(chunk) / self.octets_per_s)
        wait_s = FIRST_RESEND_S
        while self._rng.random() < self.lossy:
            await asyncio.sleep(wait_s)
            wait_s *= 2
        if self._armed is None:
            return
        # a batch of readings, and not any transaction
        self._copied = self._copied or (there and Word.COPY.value[1] in chunk)
        direction, octets = self._armed.value
        if there is direction and self._copied and octets in chunk:
            self._armed = None
            self.hit.set()
            await asyncio.Event().wait()


def _address() -> str:
    """An address of the loopback that no other stack on this machine is likely to have."""
    return f"127.{secrets.randbelow(128) + 64}.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"


def can_vanish() -> bool:
    """Whether this process may change routes."""
    return os.geteuid() == 0
