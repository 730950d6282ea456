"""The worker's task of notifications: finds, tells and sends, through outages of the database."""

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Final

import structlog

from broker.outage import Outage
from ingestor.notices.finding import Finder
from ingestor.notices.metrics import NoticeMetrics
from ingestor.notices.sending import Limits, Sender
from ingestor.notices.store import count_notices, forget_notices, give_up_notices, notices_missed
from store.errors import DATABASE_ERRORS, is_transient, reason
from store.pool import Pool

log = structlog.get_logger()
FORGET_S: Final = 3600.0


class Notices:
    """Notifications of one worker; any number of them share the work."""

    def __init__(
        self, pool: Pool, metrics: NoticeMetrics, limits: Limits, round_s: float, database: Outage | None = None
    ) -> None:
        self._database = database or Outage()
        self._pool = pool
        self._metrics = metrics
        self._limits = limits
        self._round_s = round_s
        self._forget_at_s = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Go round until `stop`; what is being sent then is finished."""
        zone = "UTC"
        async with asyncio.TaskGroup() as group:
            sender = Sender(self._pool, self._metrics, self._limits, stop)
            finder: Finder | None = None
            while not stop.is_set():
                if finder is None:
                    with contextlib.suppress(*DATABASE_ERRORS):
                        zone = await self._pool.fetchval("SELECT store_zone()")
                        finder = Finder(self._pool, self._metrics, zone)
                if finder is not None:
                    await self._guarded("events", self._events(finder, stop))
                    await self._guarded("states", finder.states())
                    await self._guarded("tell", finder.tell())
                    await self._guarded("send", sender.round(group, self._guarded))
                    await self._guarded("observe", self._observe())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._round_s):
                        await stop.wait()

    async def _events(self, finder: Finder, stop: asyncio.Event) -> None:
        while await finder.events() and not stop.is_set():
            pass

    async def _guarded(self, step: str, work: Awaitable[object]) -> None:
        """One step, whose failure costs the others nothing: what it had begun is rolled back, and comes again."""
        try:
            await work
        except DATABASE_ERRORS as error:
            self._metrics.failures.labels(step).inc()
            report = self._database.failed if is_transient(error) else log.warning
            report("notices_failed", step=step, reason=reason(error))
        except Exception:
            # the worker's other work is not to end for a slip in this
            self._metrics.failures.labels(step).inc()
            log.exception("notices_crashed", step=step)

    async def _observe(self) -> None:
        counted = await count_notices(self._pool)
        self._metrics.waiting.set(counted.waiting)
        self._metrics.dead.set(counted.dead)
        self._metrics.oldest_s.set(counted.oldest_s)
        self._metrics.missed.set(await notices_missed(self._pool))
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._forget_at_s:
            self._forget_at_s = now_s + FORGET_S
            await forget_notices(self._pool)
            await give_up_notices(self._pool)
