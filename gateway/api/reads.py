"""Where the API reads telemetry: at a replica while one is near enough behind, else at the primary."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final, TypeAlias

import asyncpg
import structlog

from broker.outage import Outage
from gateway.api.store import primary_position, replica_position
from gateway.metrics import Metrics
from gateway.settings import GatewaySettings
from store.errors import DATABASE_ERRORS, is_transient, reason
from store.pool import Pool, open_pool
from store.servers import READER

log = structlog.get_logger()

OBSERVE_S: Final = 2.0
ANSWER_S: Final = 5.0
ELSEWHERE_S: Final = 30.0
"""How often a reader that had to go to the primary looks for a replica again."""
_SAMPLES: Final = 3600
Rows: TypeAlias = "list[asyncpg.Record]"


class Lag:
    """How far a replica is behind, by the primary's log positions and this process's clock alone.

    A replica that has replayed a position was, when the primary wrote it, no further behind than since then.
    """

    def __init__(self) -> None:
        self._written: deque[tuple[float, int]] = deque(maxlen=_SAMPLES)

    def written(self, at_s: float, position: int) -> None:
        """The primary had written so far at this moment of the monotonic clock."""
        self._written.append((at_s, position))

    def behind_s(self, now_s: float, replayed: int) -> float:
        """Seconds that a replica which has replayed so far is behind; 0 where it has all that was known of."""
        while self._written and self._written[0][1] <= replayed:
            self._written.popleft()
        return now_s - self._written[0][0] if self._written else 0.0


class Reads:
    """Readings, frames and exports; what an engineer has just written is never read here.

    A query that fails at the replica is made again at the primary at once, and so are all until the replica is well.
    """

    def __init__(self, primary: Pool, replica: "Pool | None", lag_limit_s: float, metrics: Metrics) -> None:
        self._primary = primary
        self._replica = replica
        self._limit_s = lag_limit_s
        self._metrics = metrics
        self._lag = Lag()
        self._outage = Outage()
        self._well = False
        self._elsewhere_s = time.monotonic()
        self._where = "no replica is set"

    async def fetch(self, query: str, /, *arguments: Any, **options: Any) -> Rows:
        """Rows of a query that changes nothing."""
        if self._replica is not None and self._well:
            try:
                rows: Rows = await self._replica.fetch(query, *arguments, **options)
            except DATABASE_ERRORS as error:
                if isinstance(error, asyncpg.PostgresError) and not is_transient(error):
                    raise
                self._lost(error)
            else:
                self._metrics.reads.labels("replica").inc()
                return rows
        self._metrics.reads.labels("primary").inc()
        return await self._primary.fetch(query, *arguments, **options)

    async def fetchrow(self, query: str, /, *arguments: Any, **options: Any) -> asyncpg.Record | None:
        """The first row of such a query."""
        rows = await self.fetch(query, *arguments, **options)
        return rows[0] if rows else None

    async def run(self) -> None:
        """Observe the replica every 2 s, for ever."""
        while self._replica is not None:
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._observe(self._replica)
            except DATABASE_ERRORS as error:
                self._lost(error)
            await asyncio.sleep(OBSERVE_S)

    def check(self) -> tuple[bool, str]:
        """For Health: reading at the primary is no failure, so it says where and why."""
        return True, self._where

    async def _observe(self, replica: Pool) -> None:
        primary_away = not await self._sample()
        found = await replica_position(replica)
        now_s = time.monotonic()
        if not found.standby or found.position is None:
            self._well, self._where = False, "reading at the primary: no replica answers"
            if now_s - self._elsewhere_s > ELSEWHERE_S:
                self._elsewhere_s = now_s
                await replica.expire_connections()
            return
        behind_s = self._lag.behind_s(now_s, found.position)
        self._metrics.replica_lag_s.set(behind_s)
        # an old answer is better than none
        self._well = behind_s <= self._limit_s or primary_away
        where = "at the replica" if self._well else "at the primary: the replica is"
        self._where = f"reading {where}, {behind_s:.0f} s behind"
        if self._well:
            self._outage.back("replica_back")
        else:
            self._outage.failed("replica_behind", reason=f"more than {self._limit_s:g} s", behind_s=round(behind_s))

    async def _sample(self) -> bool:
        try:
            position = await primary_position(self._primary)
        except DATABASE_ERRORS:
            return False
        self._lag.written(time.monotonic(), position)
        return True

    def _lost(self, error: BaseException) -> None:
        self._well, self._where = False, f"reading at the primary: {reason(error)}"
        self._outage.failed("replica_unreachable", reason=reason(error))


@contextlib.asynccontextmanager
async def open_reads(settings: GatewaySettings, primary: Pool, metrics: Metrics) -> AsyncIterator[Reads]:
    """Where to read; a replica that is away holds nobody up. Raises PermanentError for a DSN that can be none."""
    if settings.read_dsn is None:
        yield Reads(primary, None, settings.read_lag_s, metrics)
        return
    async with open_pool(
        settings.read_dsn.get_secret_value(),
        min_size=0,
        max_size=settings.database_connections,
        application_name=f"wattline-gateway{READER}",
        wanted="prefer-standby",
        clean=True,
    ) as replica:
        yield Reads(primary, replica, settings.read_lag_s, metrics)
