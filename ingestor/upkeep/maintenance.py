"""What one of several ingestors does for the database beside writing: summary of the ledger, roll-ups, retention."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

import asyncpg
import structlog

from ingestor.metrics import Metrics
from ingestor.upkeep.lease import Lease
from ingestor.upkeep.profile_check import ProfileChecks
from ingestor.upkeep.standstill import end_silent
from ingestor.upkeep.store import prune_profile_days
from store.edition import timescaledb_license
from store.errors import DATABASE_ERRORS, is_transient, reason
from store.jobs import failing_jobs
from store.ledger import fold, prune
from store.pool import Pool
from store.rollups import Stretch, refresh, refresh_aggregates, retain
from store.sql import Connection

log = structlog.get_logger()

RETAIN_S = 3600.0
_UNBOUNDED = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"


class Upkeep:
    """Sums and rolls up every `every_s` seconds and drops what is old every hour; what fails is done the next time."""

    def __init__(self, every_s: float, metrics: Metrics, lease: Lease, silent_s: float = 120.0) -> None:
        self._every_s = every_s
        self._silent_s = silent_s
        self._metrics = metrics
        self._lease = lease
        self._checks = ProfileChecks(metrics.profile_check_failures.inc)
        self._last_s: dict[str, float] = {}
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
                self._failed(error)
            await asyncio.sleep(self._every_s)

    async def _work(self, pool: Pool) -> None:
        """Ledger and roll-ups beside one another: a refresh may take long, or fail, and the other goes on."""
        async with asyncio.TaskGroup() as group:
            for task in (self._ledger, self._rollups, self._profiles):
                group.create_task(self._repeat(pool, task), name=f"ingestor.upkeep.{task.__name__.strip('_')}")

    async def _repeat(self, pool: Pool, task: Callable[[Connection], Awaitable[None]]) -> None:
        """Do a task for ever, each time on a connection of its own."""
        while True:
            try:
                async with pool.acquire() as connection:
                    try:
                        await connection.execute(_UNBOUNDED)
                        # one that nobody waits for holds up what comes here: both wait for what stores now
                        await end_silent(connection, self._metrics, self._silent_s, blocking=False)
                        await task(connection)
                    except BaseException:
                        # the pool would wait for a server that may not answer before it takes it back
                        with contextlib.suppress(asyncpg.InterfaceError):
                            connection.terminate()
                        raise
            except DATABASE_ERRORS as error:
                self._failed(error)
            await asyncio.sleep(self._every_s)

    def _failed(self, error: Exception) -> None:
        self._metrics.upkeep_failures.inc()
        report = self._metrics.database.failed if is_transient(error) else log.warning
        report("upkeep_failed", reason=reason(error))

    async def _ledger(self, connection: Connection) -> None:
        await self._sum_up(connection)
        if self._is_due("prune"):
            await prune(connection)

    async def _rollups(self, connection: Connection) -> None:
        await self._roll_up(connection, community=await self._is_community(connection))
        await self._observe_jobs(connection)
        if self._is_due("retain"):
            for name, chunks in (await retain(connection)).items():
                log.info("chunks_dropped", table=name, chunks=chunks)
                self._metrics.chunks_dropped.labels(name).inc(chunks)
            await prune_profile_days(connection)

    async def _profiles(self, connection: Connection) -> None:
        if compared := await self._checks.check(connection):
            log.info("profiles_compared", days=compared)

    def _is_due(self, what: str) -> bool:
        """Whether an hour has passed since the last time; then this is one."""
        now_s, last_s = time.monotonic(), self._last_s.get(what)
        if last_s is not None and now_s - last_s <= RETAIN_S:
            return False
        self._last_s[what] = now_s
        return True

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

    async def _observe_jobs(self, connection: Connection) -> None:
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
        return await timescaledb_license(connection) != "apache"
