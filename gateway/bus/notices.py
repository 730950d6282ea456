"""What gateways hear of one another from the database: specs changed, configurations wait, credentials changed."""

import asyncio
import contextlib
from typing import Any, Final

from gateway.bus.logins import Logins
from gateway.bus.publisher import Publisher
from gateway.database import until_stored
from gateway.desired.change import Configuration
from gateway.metrics import Metrics
from store.pool import Pool

SPECS: Final = "wattline_shelf"
DESIRED: Final = "wattline_desired"
CREDENTIALS: Final = "wattline_credentials"
PROBE_S: Final = 10.0
PROBE_TIMEOUT_S: Final = 5.0


class Notices:
    """Reads the published specs anew when the database says that they changed, and wakes others at each commit.

    Those are the publisher, of configurations that wait, and who keeps the broker's logins.

    A notice that comes while the connection is lost is not repeated, hence all after each. Many notices make one.
    """

    def __init__(
        self, pool: Pool, configuration: Configuration, publisher: Publisher, logins: Logins, metrics: Metrics
    ) -> None:
        self._pool = pool
        self._configuration = configuration
        self._publisher = publisher
        self._logins = logins
        self._metrics = metrics
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Listen for ever, on a connection of the pool's that is kept."""
        while True:
            await until_stored(self._listen, "gateway.notices", self._metrics)

    async def _listen(self) -> None:
        """Listen on one connection until it is lost. Raises asyncpg's errors and OSError."""
        async with self._pool.acquire() as connection:
            try:
                await connection.add_listener(SPECS, self._noticed)
                await connection.add_listener(DESIRED, self._committed)
                await connection.add_listener(CREDENTIALS, self._credentials_changed)
                connection.add_termination_listener(self._lost)
                self._publisher.wake()
                self._logins.wake()
                while not connection.is_closed():
                    self._woken.clear()
                    await self._configuration.renew(connection)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(PROBE_S):
                            await self._woken.wait()
                    # a connection that is lost without a word shows itself here
                    await connection.fetchval("SELECT 1", timeout=PROBE_TIMEOUT_S)
            finally:
                connection.remove_termination_listener(self._lost)
                if not connection.is_closed():
                    await connection.remove_listener(SPECS, self._noticed)
                    await connection.remove_listener(DESIRED, self._committed)
                    await connection.remove_listener(CREDENTIALS, self._credentials_changed)

    def _noticed(self, *_: Any) -> None:
        self._metrics.notices.inc()
        self._woken.set()

    def _committed(self, *_: Any) -> None:
        self._publisher.wake()

    def _credentials_changed(self, *_: Any) -> None:
        self._logins.wake()

    def _lost(self, *_: Any) -> None:
        self._woken.set()
