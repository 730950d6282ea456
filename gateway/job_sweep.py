"""What the gateway does about jobs by itself every few seconds: late frames, jobs that the queue lost, old ones."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from gateway.database import reason
from gateway.desired import configuring
from gateway.jobs import KEPT, queue_late, queue_orphaned
from gateway.metrics import Metrics
from gateway.sql import load
from store.pool import Pool

FIRST: Final = timedelta(days=1)
"""How far the first look goes back, for what came in while no gateway ran."""
OVERLAP: Final = timedelta(minutes=15)


class JobSweep:
    """Looks for jobs to be queued; `run()` is its task, and a look that fails is taken again the next time."""

    def __init__(self, pool: Pool, metrics: Metrics, every_s: float) -> None:
        self._pool = pool
        self._metrics = metrics
        self._every_s = every_s
        self._swept_at = datetime.now(UTC) - FIRST

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            await asyncio.sleep(self._every_s)
            began_at = datetime.now(UTC)
            try:
                await self._sweep()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
                self._metrics.retries.labels("gateway.jobs").inc()
                self._metrics.database.failed("job_sweep_failed", reason=reason(error))
            else:
                self._swept_at = began_at

    async def _sweep(self) -> None:
        async with configuring(self._pool) as connection:
            await queue_late(connection, self._swept_at - OVERLAP)
            await queue_orphaned(connection)
        await self._pool.execute(load("forget_jobs"), KEPT)
