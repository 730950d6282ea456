"""What one of several ingestors does for the database beside writing: summary of the ledger, roll-ups, retention."""

import asyncio
import contextlib
import time

import asyncpg
import structlog

from ingestor.failures import DATABASE_ERRORS
from ingestor.metrics import Metrics
from store.ledger import fold, prune
from store.pool import Pool, is_transient
from store.rollups import Connection, refresh, retain

log = structlog.get_logger()

LOCK = 0x77_61_74_74_75_70
"""Key of the advisory lock: who holds it does the work."""
RETAIN_S = 3600.0
_UNBOUNDED = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"


class Upkeep:
    """Sums and rolls up every `every_s` seconds and drops what is old every hour; what fails is done the next time."""

    def __init__(self, every_s: float, metrics: Metrics) -> None:
        self._every_s = every_s
        self._metrics = metrics
        self._retained_s: float | None = None

    async def keep(self, pool: Pool) -> None:
        """Do it for ever; for roll-ups and retention of readings Community has policies of its own."""
        while True:
            try:
                async with pool.acquire() as connection:
                    try:
                        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                            await self._hold(connection)
                    except BaseException:
                        # the pool would wait for a server that may not answer before it takes it back
                        with contextlib.suppress(asyncpg.InterfaceError):
                            connection.terminate()
                        raise
            except DATABASE_ERRORS as error:
                self._metrics.upkeep_failures.inc()
                told = self._metrics.database.failed if is_transient(error) else log.warning
                told("upkeep_failed", reason=str(error) or "no answer in time")
            await asyncio.sleep(self._every_s)

    async def _hold(self, connection: Connection) -> None:
        """Work while the lock is ours; it goes with the connection, and another ingestor takes over."""
        await connection.execute(_UNBOUNDED)
        community = await self._is_community(connection)
        while True:
            await self._sum_up(connection)
            if not community:
                await self._roll_up(connection)
            now_s = time.monotonic()
            if self._retained_s is None or now_s - self._retained_s > RETAIN_S:
                self._retained_s = now_s
                await prune(connection)
                for name, chunks in ({} if community else await retain(connection)).items():
                    log.info("chunks_dropped", table=name, chunks=chunks)
                    self._metrics.chunks_dropped.labels(name).inc(chunks)
            await asyncio.sleep(self._every_s)

    async def _sum_up(self, connection: Connection) -> None:
        done = await fold(connection)
        self._metrics.ledger_behind_s.set(done.behind_s)
        log.debug("ledger_summed_up", deliveries=done.deliveries, behind_s=done.behind_s)

    async def _roll_up(self, connection: Connection) -> None:
        done = await refresh(connection)
        self._metrics.rollup_behind_s.set(done.behind_s)
        self._metrics.rollup_quarters.inc(done.quarters)
        self._metrics.rollup_late_hours.inc(done.late_hours)
        log.debug("rolled_up", quarters=done.quarters, late_hours=done.late_hours, behind_s=done.behind_s)

    @staticmethod
    async def _is_community(connection: Connection) -> bool:
        return bool(await connection.fetchval("SELECT current_setting('timescaledb.license') <> 'apache'"))
