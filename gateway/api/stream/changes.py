"""The newest changes of the platform, in memory for those who follow them; read from table `change`."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.api.stream.store import change_head, changes_after, trim_changes
from gateway.database import one_round
from gateway.metrics import Metrics
from store.pool import Pool

POLL_S: Final = 0.5
PAGE: Final = 1000
KEPT: Final = 5000
"""Changes in memory, of all followers together. Who is further behind reads the table, which keeps an hour."""
TRIM_S: Final = 60.0
RETRY_S: Final = 2.0
"""The longest wait before an absent database is asked again: followers are to see what is new soon after."""


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
    detail: Mapping[str, Any]


class Changes:
    """Polls the table while somebody follows, and keeps the newest KEPT changes for all of them."""

    def __init__(self, pool: Pool, metrics: Metrics, *, kept: int = KEPT) -> None:
        self._pool = pool
        self._metrics = metrics
        self._recent: deque[Change] = deque(maxlen=kept)
        self._head: Position | None = None
        self._before = Position(0, 0)
        """Whatever lies behind it is in memory."""
        self._followers = 0
        self._wanted = asyncio.Event()
        self._news = asyncio.Condition()
        self._trim_at = 0.0

    async def run(self) -> None:
        """Poll for ever, while there are followers; trim the table once a minute."""
        while True:
            if not await one_round(self._round, "gateway.changes", self._metrics, cap_s=RETRY_S):
                self._wanted.clear()
                wait_s = POLL_S if self._followers else TRIM_S
                try:
                    # not wait_for, which in Python 3.11 swallows a cancellation that comes with what it waits for
                    async with asyncio.timeout(wait_s):
                        await self._wanted.wait()
                except TimeoutError:
                    continue

    async def _round(self) -> bool:
        """Trim where it is time, and poll; True where there is more to be had at once."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._trim_at:
            self._trim_at = now_s + TRIM_S
            await trim_changes(self._pool)
        return await self._poll() if self._followers else False

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
        oldest = (await change_head(self._pool)).oldest
        return oldest is not None and position.xid >= oldest

    async def newest(self) -> Position:
        """Where the newest change is now."""
        if self._head is not None:
            return self._head
        return Position((await change_head(self._pool)).head - 1, 2**62)

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
        found = await changes_after(self._pool, position.xid, position.id, PAGE)
        return [Change(Position(one.xid, one.id), one.kind, one.at, one.device, one.detail) for one in found]
