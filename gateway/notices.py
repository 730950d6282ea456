"""What several gateways tell one another: that published specs changed, and what one of them has left unpublished."""

import asyncio
import contextlib
from functools import partial
from typing import Any, Final

import structlog

from gateway.database import until_stored
from gateway.metrics import Metrics
from gateway.publisher import Publisher
from gateway.sql import load
from store.pool import Pool

log = structlog.get_logger()
CHANNEL: Final = "wattline_shelf"
PROBE_S: Final = 20.0
PROBE_TIMEOUT_S: Final = 5.0


class Notices:
    """Reads the published specs anew when the database says that they changed, and after each connection to it.

    What is told while the connection is lost is not told again, hence the reading after each. Many notices make one.
    """

    def __init__(self, pool: Pool, publisher: Publisher, metrics: Metrics) -> None:
        self._pool = pool
        self._publisher = publisher
        self._metrics = metrics
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Listen for ever, on a connection of the pool's that is kept."""
        while True:
            await until_stored(self._listen, "gateway.notices", self._metrics)

    async def _listen(self) -> None:
        """Listen on one connection until it is lost. Raises asyncpg's errors and OSError."""
        async with self._pool.acquire() as connection:
            await connection.add_listener(CHANNEL, self._noticed)
            connection.add_termination_listener(self._lost)
            try:
                while not connection.is_closed():
                    self._woken.clear()
                    await self._publisher.renew(connection)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(PROBE_S):
                            await self._woken.wait()
                    # a connection that is lost without a word shows itself here
                    await connection.fetchval("SELECT 1", timeout=PROBE_TIMEOUT_S)
            finally:
                connection.remove_termination_listener(self._lost)
                if not connection.is_closed():
                    await connection.remove_listener(CHANNEL, self._noticed)

    def _noticed(self, *_: Any) -> None:
        self._metrics.notices.inc()
        self._woken.set()

    def _lost(self, *_: Any) -> None:
        self._woken.set()


class Sweep:
    """Publishes configurations that their gateway committed and did not publish in time, as when it died."""

    def __init__(self, pool: Pool, publisher: Publisher, metrics: Metrics, sweep_s: float) -> None:
        self._pool = pool
        self._publisher = publisher
        self._metrics = metrics
        self._sweep_s = sweep_s

    async def run(self) -> None:
        """Look for them for ever."""
        while True:
            await asyncio.sleep(self._sweep_s)
            fetch = partial(self._pool.fetch, load("unannounced"), self._sweep_s)
            found = [row["name"] for row in await until_stored(fetch, "gateway.sweep", self._metrics)]
            waiting = [name for name in found if not self._publisher.is_marked(name)]
            if waiting:
                self._metrics.taken_over.inc(len(waiting))
                log.warning("publications_taken_over", devices=len(waiting), first=waiting[0])
                self._publisher.mark(*waiting)
