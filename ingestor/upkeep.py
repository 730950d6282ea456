"""What one of several ingestors does for the database beside writing: summary of the ledger, roll-ups, retention."""

import asyncio
import contextlib
import time
from datetime import datetime

import asyncpg
import structlog

from ingestor.failures import DATABASE_ERRORS
from ingestor.lease import Lease
from ingestor.metrics import Metrics
from store.jobs import failing_jobs
from store.ledger import fold, prune
from store.pool import Pool, is_transient
from store.rollups import Connection, Stretch, refresh, refresh_aggregates, retain

log = structlog.get_logger()

RETAIN_S = 3600.0
_UNBOUNDED = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"


class Upkeep:
    """Sums and rolls up every `every_s` seconds and drops what is old every hour; what fails is done the next time."""

    def __init__(self, every_s: float, metrics: Metrics, lease: Lease) -> None:
        self._every_s = every_s
        self._metrics = metrics
        self._lease = lease
        self._retained_s: float | None = None
        self._failing: set[str] = set()
        self._skipped: dict[Stretch, datetime] = {}

    async def keep(self, pool: Pool) -> None:
        """Do it for ever, while the lease is ours; else look whether it is free."""
        while True:
            try:
                async with self._lease.holding(pool) as ours:
                    if ours:
                        await self._work(pool)
            except DATABASE_ERRORS as error:
                self._metrics.upkeep_failures.inc()
                told = self._metrics.database.failed if is_transient(error) else log.warning
                told("upkeep_failed", reason=str(error) or "no answer in time")
            await asyncio.sleep(self._every_s)

    async def _work(self, pool: Pool) -> None:
        async with pool.acquire() as connection:
            try:
                await self._go_round(connection)
            except BaseException:
                # the pool would wait for a server that may not answer before it takes it back
                with contextlib.suppress(asyncpg.InterfaceError):
                    connection.terminate()
                raise

    async def _go_round(self, connection: Connection) -> None:
        await connection.execute(_UNBOUNDED)
        community = await self._is_community(connection)
        while True:
            await self._sum_up(connection)
            await self._roll_up(connection, community=community)
            now_s = time.monotonic()
            if self._retained_s is None or now_s - self._retained_s > RETAIN_S:
                self._retained_s = now_s
                await prune(connection)
                for name, chunks in (await retain(connection)).items():
                    log.info("chunks_dropped", table=name, chunks=chunks)
                    self._metrics.chunks_dropped.labels(name).inc(chunks)
            await self._look_at_jobs(connection)
            await asyncio.sleep(self._every_s)

    async def _sum_up(self, connection: Connection) -> None:
        done = await fold(connection)
        log.debug("ledger_summed_up", deliveries=done.deliveries, behind_s=done.behind_s)

    async def _roll_up(self, connection: Connection, *, community: bool) -> None:
        done = await (refresh_aggregates(connection, skipped=self._skipped) if community else refresh(connection))
        self._metrics.left_out.inc(done.left_out)
        self._metrics.stepped_over.inc(done.stepped_over)
        if done.left_out or done.stepped_over:
            log.warning(
                "rollup_leaves_out", meters=done.left_out, intervals=done.stepped_over, told="readings_left_out"
            )
        self._metrics.rollup_quarters.inc(done.quarters)
        self._metrics.rollup_late_hours.inc(done.late_hours)
        self._metrics.rollup_stretches.inc(done.stretches)
        log.debug("rolled_up", quarters=done.quarters, late_hours=done.late_hours, behind_s=done.behind_s)

    async def _look_at_jobs(self, connection: Connection) -> None:
        """See whether the database's own jobs work; a log line when one begins to fail, and when it is well again."""
        failing = {job.name: job for job in await failing_jobs(connection)}
        self._metrics.jobs_failing.set(len(failing))
        for name, job in failing.items():
            if name not in self._failing:
                log.warning("store_job_failing", job=name, state=job.state, error=job.error, failures=job.failures)
        for name in self._failing - failing.keys():
            log.info("store_job_well_again", job=name)
        self._failing = set(failing)

    @staticmethod
    async def _is_community(connection: Connection) -> bool:
        return bool(await connection.fetchval("SELECT current_setting('timescaledb.license') <> 'apache'"))
