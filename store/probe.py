"""Whether the database answers a service, for /healthz."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from store.errors import DATABASE_ERRORS, reason
from store.sql import Database, statement

EVERY_S: Final = 5.0
ANSWER_S: Final = 5.0
SILENT_S: Final = 30.0
"""An answer of the database that is older proves nothing any more."""


@statement
async def answer(database: Database) -> int:
    """Answer, and no more."""


class DatabaseProbe:
    """When the database last answered, and how it last failed: asked for that alone, or noted by who asks it more."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answered_s = self._failed_s = float("-inf")
        self._failure = "not connected yet"

    @property
    def silent_s(self) -> float:
        """For how long it has not answered; infinite before the first answer."""
        return self._clock() - self._answered_s

    def answered(self, at_s: float | None = None) -> None:
        """Note an answer of just now, or of then by the same clock."""
        self._answered_s = max(self._answered_s, self._clock() if at_s is None else at_s)

    def failed(self, error: BaseException) -> str:
        """Note that it does not answer; why."""
        self._failure, self._failed_s = reason(error), self._clock()
        return self._failure

    async def ask(self, database: Database) -> None:
        """Have it answer. Raises database errors, which are noted."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await answer(database)
        except DATABASE_ERRORS as error:
            self.failed(error)
            raise
        self.answered()

    def check(self) -> tuple[bool, str]:
        """For Health."""
        if self._failed_s >= self._answered_s:
            return False, self._failure
        return self.silent_s < SILENT_S, f"answered {self.silent_s:.0f} s ago"
