"""What the gateway does about jobs by itself every few seconds: late frames, jobs that the queue lost, old ones."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.database import one_round
from gateway.desired.change import Configuration
from gateway.jobs.queueing import forget_old, queue_late, queue_orphaned
from gateway.metrics import Metrics
from store.pool import Pool

FIRST: Final = timedelta(days=1)
"""How far the first look goes back, for what came in while no gateway ran."""
OVERLAP: Final = timedelta(minutes=15)


class JobSweep:
    """Looks for jobs to be queued; `run()` is its task, and a look that fails is taken again the next time."""

    def __init__(self, pool: Pool, configuration: Configuration, metrics: Metrics, every_s: float) -> None:
        self._pool = pool
        self._configuration = configuration
        self._metrics = metrics
        self._every_s = every_s
        self._swept_at = datetime.now(UTC) - FIRST

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            await asyncio.sleep(self._every_s)
            began_at = datetime.now(UTC)
            if await one_round(self._sweep, "gateway.jobs", self._metrics):
                self._swept_at = began_at

    async def _sweep(self) -> bool:
        async with self._configuration.changing() as change:
            await queue_late(change.connection, self._swept_at - OVERLAP)
            await queue_orphaned(change.connection)
        async with self._pool.acquire() as connection:
            await forget_old(connection)
        return True
