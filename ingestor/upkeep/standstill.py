"""A batch that is written for long: who holds what it waits for, and an end to those that nobody is at any more."""

import asyncio
from dataclasses import asdict
from typing import Final

import structlog

from ingestor.batches.store import record_event
from ingestor.metrics import Metrics
from ingestor.upkeep.store import blocked_sessions, end_silent_sessions
from store.errors import DATABASE_ERRORS, reason
from store.pool import Pool
from store.sql import Database

log = structlog.get_logger()
OBSERVE_AFTER_S: Final = 4.0
"""A batch that takes longer than this is looked into; most take milliseconds, and a lock is waited for 10 s."""
SILENT_S: Final = 30.0
"""A session in mid COPY that others wait for is ended when it began so long ago: batches are smaller than that."""
RECORD_S: Final = 2.0


class Standstill:
    """Observes who waits for whom, reports each blocker once, and keeps the last of it for /healthz."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._reported: set[tuple[int, int]] = set()
        self.detail = ""

    async def observe(self, pool: Pool) -> None:
        """See who waits for whom, and end our own role's sessions that are silent. Raises database errors."""
        blocks = await blocked_sessions(pool)
        self._metrics.blocked.set(len({one.waiting_pid for one in blocks}))
        self.detail = "; ".join(str(one) for one in blocks[:3])
        found = {(one.waiting_pid, one.blocking_pid): one for one in blocks}
        for pair in found.keys() - self._reported:
            log.warning("standstill", **asdict(found[pair]))
        if found.keys() - self._reported:
            async with asyncio.timeout(RECORD_S):
                detail = {"blocks": [str(one) for one in blocks]}
                await record_event(pool, None, None, "standstill", "error", detail)
        self._reported = set(found)
        await end_silent(pool, self._metrics, SILENT_S, blocking=True)

    async def try_to_observe(self, pool: Pool) -> None:
        """The same, where a database that does not answer is reported by others."""
        try:
            await self.observe(pool)
        except DATABASE_ERRORS as error:
            log.debug("standstill_not_seen", reason=reason(error))

    def over(self) -> None:
        """Note that batches are written again."""
        if self._reported or self.detail:
            self._reported, self.detail = set(), ""
            self._metrics.blocked.set(0)


async def end_silent(database: Database, metrics: Metrics, silent_s: float, *, blocking: bool) -> None:
    """End sessions of our own role that have been silent in mid COPY for so long. Raises database errors."""
    for session in await end_silent_sessions(database, silent_s, blocking):
        metrics.ended_sessions.inc()
        log.warning("silent_session_ended", **asdict(session))
