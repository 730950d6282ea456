"""A batch that is written for long: who holds what it waits for, and an end to those that nobody is at any more."""

from typing import Final

import asyncpg
import structlog

from ingestor.failures import DATABASE_ERRORS
from ingestor.metrics import Metrics
from ingestor.names import Connection
from ingestor.records import clean_json
from store.pool import Pool
from store.queries import load

log = structlog.get_logger()
LOOK_AFTER_S: Final = 4.0
"""A batch that takes longer than this makes the watch look; most take milliseconds, and a lock is waited for 10 s."""
SILENT_S: Final = 30.0
"""A session in mid COPY that others wait for is ended when it began so long ago: batches are smaller than that."""


TELL_S: Final = 2.0


class Standstill:
    """Looks, tells each blocker once, and remembers the last sight of it for /healthz."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._told: set[tuple[int, int]] = set()
        self.detail = ""

    async def look(self, pool: Pool) -> None:
        """See who waits for whom, and end our own role's sessions that are silent. Raises database errors."""
        rows = await pool.fetch("SELECT * FROM store_block ORDER BY waited_s DESC LIMIT 20")
        self._metrics.blocked.set(len({row["waiting_pid"] for row in rows}))
        self.detail = "; ".join(_said(row) for row in rows[:3])
        found = {(row["waiting_pid"], row["blocking_pid"]): row for row in rows}
        for pair in found.keys() - self._told:
            log.warning("standstill", **found[pair])
        if found.keys() - self._told:
            said = clean_json({"blocks": [_said(row) for row in rows]})
            await pool.execute(load("tell_event"), None, None, "standstill", "error", said, timeout=TELL_S)
        self._told = set(found)
        await end_silent(pool, self._metrics, SILENT_S, blocking=True)

    async def looked(self, pool: Pool) -> None:
        """The same, where a database that does not answer is told by others."""
        try:
            await self.look(pool)
        except DATABASE_ERRORS as error:
            log.debug("standstill_not_seen", reason=str(error) or "no answer in time")

    def over(self) -> None:
        """Note that batches are written again."""
        if self._told or self.detail:
            self._told, self.detail = set(), ""
            self._metrics.blocked.set(0)


async def end_silent(asked: "Pool | Connection", metrics: Metrics, silent_s: float, *, blocking: bool) -> None:
    """End sessions of our own role that have been silent in mid COPY for so long. Raises database errors."""
    for row in await asked.fetch(load("end_silent_sessions"), silent_s, blocking):
        metrics.ended_sessions.inc()
        log.warning("silent_session_ended", **row)


def _said(row: "asyncpg.Record") -> str:
    who = f"{row['blocking']} (process {row['blocking_pid']}, {row['blocking_client'] or 'local'})"
    since = "" if row["silent_s"] is None else f" for {row['silent_s']:.0f} s"
    return (
        f"{row['waiting']} (process {row['waiting_pid']}) waits {row['waited_s']:.0f} s for a lock of {who}, "
        f"{row['blocking_state'] or 'gone'} in {row['blocking_statement'] or 'no statement'}{since}"
    )
