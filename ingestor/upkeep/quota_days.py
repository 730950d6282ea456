"""What devices used of their quotas, into the database every few seconds; what is over it into metrics and the log."""

import asyncio
from datetime import UTC
from typing import Final

import structlog

from ingestor.batches.rows import instant
from ingestor.metrics import Metrics
from ingestor.writing.receipt_clock import Clock
from store.errors import DATABASE_ERRORS, is_transient, reason
from store.pool import Pool
from store.quota_tally import Tally

log = structlog.get_logger()

WRITE_S: Final = 5.0


class QuotaDays:
    """Keeps the day of a tally, and tells the database what was counted; what fails is told the next time."""

    def __init__(self, tally: Tally, clock: Clock, metrics: Metrics, every_s: float = WRITE_S) -> None:
        self._tally = tally
        self._clock = clock
        self._metrics = metrics
        self._every_s = every_s

    async def keep(self, pool: Pool) -> None:
        """Do it for ever."""
        while True:
            await self.write(pool)
            await asyncio.sleep(self._every_s)

    async def write(self, pool: Pool) -> None:
        """Tell what was counted since the last time."""
        self._tally.turn(instant(self._clock.now_us()).astimezone(UTC).date())
        try:
            await self._tally.write(pool)
        except DATABASE_ERRORS as error:
            report = self._metrics.database.failed if is_transient(error) else log.warning
            report("quotas_not_written", reason=reason(error))
