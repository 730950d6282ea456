"""Payloads that wait for the database: bounded in all and by source, and taken from the sources in turn. No I/O."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

from intake.inbox.payload import InboxFullError, Kept, Payload

TURN_ROWS: Final = 32
"""So many payloads of a source go into a batch before it is the next one's turn."""
EACH: Final = 0.5
"""The part of the room that one source may fill: another one always finds some."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A payload and who waits for its commit; one whose `answer` is done waits no more and is passed over."""

    payload: Payload
    answer: asyncio.Future[Kept]
    size: int
    until_s: float = float("inf")
    """When it is given up, by the loop's clock."""


class Pending:
    """First come, first served within a source; between sources in turns, so that a flood of one delays no other.

    What is taken into a batch counts until it is `done`, so that the bounds are of all that is held in memory. A
    payload that alone is larger than the room of its source is taken where nothing else of it waits.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._waiting: dict[str, deque[Waiting]] = {}
        self._held: dict[str, tuple[int, int]] = {}
        self.rows = 0
        """Payloads that wait or are being written."""
        self.bytes = 0
        self.ready = 0
        """Payloads that wait to be taken."""

    @property
    def load(self) -> float:
        """How full it is, 0 to 1."""
        return min(1.0, max(self.rows / self._most, self.bytes / self._most_bytes))

    def check(self, source: str, size: int) -> None:
        """Raise InboxFullError where a payload of this size would find no room."""
        if not self.rows:
            return
        if self.rows >= self._most or self.bytes + size > self._most_bytes:
            raise InboxFullError(f"{self.rows} payloads of {self.bytes // 1024} KiB wait for the database already")
        rows, size_held = self._held.get(source, (0, 0))
        if rows and (rows >= self._most * EACH or size_held + size > self._most_bytes * EACH):
            raise InboxFullError(f"{rows} payloads of {source} wait for the database already")

    def add(self, one: Waiting) -> None:
        """Let one wait. Raises InboxFullError."""
        source, size = one.payload.source, one.size
        self.check(source, size)
        self.rows += 1
        self.bytes += size
        self.ready += 1
        rows, held = self._held.get(source, (0, 0))
        self._held[source] = (rows + 1, held + size)
        queue = self._waiting.get(source)
        if queue is None:
            queue = self._waiting[source] = deque()
        queue.append(one)

    def take(self, most: int, most_bytes: int) -> list[Waiting]:
        """The next payloads to be written, some of each source, at least one where any waits."""
        batch: list[Waiting] = []
        size = 0
        while self._waiting:
            source, queue = next(iter(self._waiting.items()))
            del self._waiting[source]
            full = False
            for _ in range(min(TURN_ROWS, len(queue))):
                if batch and (len(batch) >= most or size + queue[0].size > most_bytes):
                    full = True
                    break
                one = queue.popleft()
                self.ready -= 1
                if one.answer.done():
                    self._forget(one)
                    continue
                batch.append(one)
                size += one.size
            if queue:
                # behind the others
                self._waiting[source] = queue
            if full:
                break
        return batch

    def done(self, batch: list[Waiting]) -> None:
        """These are written, or were given up."""
        for one in batch:
            self._forget(one)

    def _forget(self, one: Waiting) -> None:
        source, size = one.payload.source, one.size
        self.rows -= 1
        self.bytes -= size
        rows, held = self._held[source]
        if rows == 1:
            del self._held[source]
        else:
            self._held[source] = (rows - 1, held - size)
