"""The newest changes of the platform, in memory for those who follow them; read from table `change`."""

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
import structlog

from broker.outage import Outage
from gateway.sql import load
from store.pool import Pool

log = structlog.get_logger()
POLL_S: Final = 0.5
PAGE: Final = 1000
KEPT: Final = 5000
"""Changes in memory, of all followers together. Who is further behind reads the table, which keeps an hour."""
TRIM_S: Final = 60.0


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where in the order of changes: everything up to here is known."""

    xid: int
    id: int

    def __str__(self) -> str:
        return f"{self.xid}.{self.id}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read what str() writes. Raises ValueError."""
        xid, _, number = text.partition(".")
        return cls(int(xid), int(number))


@dataclass(frozen=True, slots=True)
class Change:
    """One change."""

    position: Position
    kind: str
    at: datetime
    device: str | None
    detail: dict[str, Any]


class Changes:
    """Polls the table while somebody follows, and keeps the newest KEPT changes for all of them."""

    def __init__(self, pool: Pool, *, kept: int = KEPT) -> None:
        self._pool = pool
        self._recent: deque[Change] = deque(maxlen=kept)
        self._head: Position | None = None
        self._before = Position(0, 0)
        """Whatever lies behind it is in memory."""
        self._followers = 0
        self._wanted = asyncio.Event()
        self._news = asyncio.Condition()
        self._outage = Outage()

    async def run(self) -> None:
        """Poll for ever, while there are followers; trim the table once a minute."""
        trim_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                if loop.time() >= trim_at:
                    trim_at = loop.time() + TRIM_S
                    await self._pool.execute(load("trim_changes"))
                more = await self._poll() if self._followers else False
                self._outage.back("changes_read")
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
                self._outage.failed("changes_not_read", reason=str(error) or type(error).__name__)
                more = False
            if not more:
                self._wanted.clear()
                wait_s = POLL_S if self._followers else TRIM_S
                try:
                    # not wait_for, which in Python 3.11 swallows a cancellation that comes with what it waits for
                    async with asyncio.timeout(wait_s):
                        await self._wanted.wait()
                except TimeoutError:
                    continue

    async def follow(self) -> Position:
        """Begin to follow; returns where the newest change is now. leave() ends it."""
        self._followers += 1
        try:
            head = await self.newest()
        except BaseException:
            self.leave()
            raise
        if self._head is None:
            self._head = self._before = head
        self._wanted.set()
        return self._head

    def leave(self) -> None:
        """End following. With the last follower memory is let go of."""
        self._followers -= 1
        if not self._followers:
            self._head = None
            self._recent.clear()

    async def known(self, position: Position) -> bool:
        """Whether all that came after a position is still there."""
        if self._head is not None and position >= self._before:
            return True
        row = await self._pool.fetchrow(load("change_head"))
        return row is not None and row["oldest"] is not None and position.xid >= row["oldest"]

    async def newest(self) -> Position:
        """Where the newest change is now."""
        if self._head is not None:
            return self._head
        row = await self._pool.fetchrow(load("change_head"))
        return Position(0, 0) if row is None else Position(row["head"] - 1, 2**62)

    async def after(self, position: Position) -> list[Change] | None:
        """The next changes behind a position, waiting for one; None where they are gone from memory and table."""
        if self._head is None or position < self._before:
            if not await self.known(position):
                return None
            return await self._read(position)
        async with self._news:
            await self._news.wait_for(lambda: self._head is None or self._head > position)
        if position < self._before:
            return []
        return [change for change in self._recent if change.position > position][:PAGE]

    async def _poll(self) -> bool:
        if self._head is None:
            return False
        found = await self._read(self._head)
        if not found or self._head is None:
            return False
        for change in found:
            if len(self._recent) == self._recent.maxlen:
                self._before = self._recent[0].position
            self._recent.append(change)
        self._head = found[-1].position
        async with self._news:
            self._news.notify_all()
        return len(found) == PAGE

    async def _read(self, position: Position) -> list[Change]:
        rows = await self._pool.fetch(load("changes_after"), position.xid, position.id, PAGE)
        return [
            Change(Position(row["xid"], row["id"]), row["kind"], row["at"], row["device"], json.loads(row["detail"]))
            for row in rows
        ]
