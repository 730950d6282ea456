"""The time of receipt by the database's clock, whatever the host's own says: one clock for all ingestors."""

import asyncio
import time
from typing import Final

import structlog

from ingestor.batches.rows import micros, micros_now
from ingestor.batches.store import record_event
from store.pool import Pool
from store.rollups import database_now

log = structlog.get_logger()
OFF_S: Final = 60.0
"""A host that differs by more is reported: certificates, logs and its own dates are wrong, or the database's are."""
ANSWER_S: Final = 5.0
_SLOW_S: Final = 1.0
"""An answer that took longer says too little of what time it is now, once there was a better one."""
_TICKS: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while a virtual machine is suspended, where the system has such a clock; nobody can set it."""


class Clock:
    """The database's time as of its last answer, and what has passed since; until the first answer the host's."""

    def __init__(self) -> None:
        self.known = asyncio.Event()
        """Set once the database has said what time it is."""
        self._ahead_us: int | None = None
        self._reported = False

    def now_us(self) -> int:
        """The present, as `rows.micros` counts it."""
        return micros_now() if self._ahead_us is None else _ticks_us() + self._ahead_us

    @property
    def host_off_s(self) -> float:
        """How far the host's clock is ahead of the database's, in seconds; behind it where negative."""
        return (micros_now() - self.now_us()) / 1e6

    async def compare(self, pool: Pool) -> None:
        """Ask the database for the time. Raises database errors."""
        async with asyncio.timeout(ANSWER_S):
            async with pool.acquire() as connection:
                before_us = _ticks_us()
                at = await database_now(connection)
                after_us = _ticks_us()
            if self._ahead_us is None or after_us - before_us < _SLOW_S * 1e6:
                self._ahead_us = micros(at) - (before_us + after_us) // 2
            self.known.set()
            await self._report(pool)

    async def _report(self, pool: Pool) -> None:
        off_s = round(self.host_off_s, 1)
        wrong = abs(off_s) > OFF_S
        if wrong and not self._reported:
            note = "receipt is dated by the database's clock"
            log.error("host_clock_off", off_s=off_s, note=note, fix="set the clock of this host, or of the database's")
            await record_event(pool, None, None, "host_clock_off", "error", {"off_s": off_s, "note": note})
        if self._reported and not wrong:
            log.info("host_clock_right_again", off_s=off_s)
        self._reported = wrong

    def health(self) -> tuple[bool, str]:
        """A check for /healthz: whether host and database agree what time it is."""
        if not self.known.is_set():
            return True, "the database has not said yet what time it is"
        off_s = self.host_off_s
        side = "ahead of" if off_s > 0 else "behind"
        return abs(off_s) <= OFF_S, f"this host is {abs(off_s):.1f} s {side} the database"


def _ticks_us() -> int:
    return time.clock_gettime_ns(_TICKS) // 1000
