"""The look at the store that all outputs of the present share: one query each time, however many read it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from broker.backoff import Backoff
from broker.errors import PermanentError
from outlet.fleet.snapshot import Snapshot
from outlet.fleet.store import newest_readings, standing_meters
from outlet.metrics import OutletMetrics
from store.errors import DATABASE_ERRORS, heals
from store.pool import Pool
from store.probe import DatabaseProbe

log = structlog.get_logger()
BACK: Final = timedelta(days=7)
"""Readings that are older are not looked for: the chunks of years would be, for each series that has ended."""


class FleetWatch:
    """Looks every `every_s`; whoever waits for `after()` gets the newest look, and those between are passed over.

    So an output that is slow holds up neither the store nor another output.
    """

    def __init__(self, every_s: float, most_meters: int, metrics: OutletMetrics) -> None:
        self._every_s = every_s
        self._most = most_meters
        self._metrics = metrics
        self._newest: Snapshot | None = None
        self._turn = asyncio.Condition()
        self.probe = DatabaseProbe()

    async def keep(self, pool: Pool) -> None:
        """Look for ever. Raises PermanentError where the database refuses us for good."""
        backoff = Backoff(first_s=self._every_s, cap_s=30.0)
        while True:
            try:
                snapshot = await self._look(pool)
            except DATABASE_ERRORS as error:
                if not heals(error):
                    raise PermanentError(f"the database refuses the outlet: {error}; run `wattline migrate`") from error
                self._metrics.database.failed("database_unavailable", reason=self.probe.failed(error))
                self._metrics.look_failures.labels(type(error).__name__).inc()
                await asyncio.sleep(backoff.next_s())
                continue
            self._metrics.database.back("database_back")
            self.probe.answered()
            async with self._turn:
                self._newest = snapshot
                self._turn.notify_all()
            await asyncio.sleep(self._every_s)

    async def after(self, seen: Snapshot | None) -> Snapshot:
        """The newest look once it is another than `seen`."""
        async with self._turn:
            await self._turn.wait_for(lambda: self._newest is not None and self._newest is not seen)
            if self._newest is None:
                raise RuntimeError("there is no look yet")
            return self._newest

    @property
    def newest(self) -> Snapshot | None:
        """The newest look, if there was one."""
        return self._newest

    async def _look(self, pool: Pool) -> Snapshot:
        now = datetime.now(UTC)
        with self._metrics.look_s.time():
            found = await standing_meters(pool, self._most + 1)
            standing = found[: self._most]
            newest = await newest_readings(pool, [one.id for one in standing], now - BACK)
        left_out = len(found) > self._most
        if left_out and not (self._newest and self._newest.left_out):
            log.warning("meters_left_out", most=self._most, fix="raise WATTLINE_OUTLET_MOST_METERS")
        self._metrics.meters.set(len(standing))
        self._metrics.left_out.set(left_out)
        return Snapshot.of(now, standing, newest, left_out=left_out)
