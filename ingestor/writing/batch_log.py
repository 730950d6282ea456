"""What each batch took to write and commit, on its way into the database with the next one."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ingestor.batches.rows import instant
from ingestor.writing.receipt_clock import Clock
from ingestor.writing.store import add_batches
from store.sql import Connection


@dataclass(frozen=True, slots=True)
class Committed:
    """A batch that is in the database; `commit_s` is from asking for a connection to the answer to the commit."""

    at: datetime
    commit_s: float
    messages: int
    rows: int


class BatchLog:
    """Commits that are not entered yet: at most one for each writer, as every batch takes along all that there are.

    The last ones are lost where the ingestor ends: they tell of speed, not of readings.
    """

    def __init__(self, ingestor: str, clock: Clock) -> None:
        self._ingestor = ingestor
        self._clock = clock
        self._kept: list[Committed] = []

    def add(self, commit_s: float, messages: int, rows: int) -> None:
        """Keep a commit that has just been answered, for the next batch."""
        self._kept.append(Committed(instant(self._clock.now_us()), commit_s, messages, rows))

    @contextlib.contextmanager
    def taken(self) -> Iterator["Entry"]:
        """What is kept, to be entered by one batch; it is kept again where that batch is not committed."""
        commits, self._kept = self._kept, []
        try:
            yield Entry(self._ingestor, commits)
        except BaseException:
            self._kept = commits + self._kept
            raise


@dataclass(frozen=True, slots=True)
class Entry:
    """Commits of an ingestor that a batch takes along."""

    ingestor: str
    commits: list[Committed]

    async def write(self, connection: Connection) -> None:
        """Enter them, within the batch's transaction."""
        if self.commits:
            await add_batches(
                connection,
                [commit.at for commit in self.commits],
                [commit.commit_s for commit in self.commits],
                [commit.messages for commit in self.commits],
                [commit.rows for commit in self.commits],
                self.ingestor,
            )
