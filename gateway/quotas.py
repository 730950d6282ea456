"""Quotas of devices at the gateway: what the day leaves room for, and what was cut, told to the database."""

import asyncio
from datetime import UTC, date, datetime
from typing import Final

import structlog

from gateway.database import one_round
from gateway.metrics import Metrics
from store.pool import Pool
from store.quota_tally import Cut, Tally
from store.quotas import ROW_BYTES, Quota, QuotaLimits, take_quota
from store.sql import Connection

log = structlog.get_logger()
WRITE_S: Final = 5.0
MOST_TOLD: Final = 10_000
"""Devices and quotas that are remembered as logged."""


class Quotas:
    """Takes of a day's quotas in the database, within the transaction of what they are for.

    The row of a device and quota stays locked until that ends, and no other. `tally` is for what is cut without a
    transaction; `run()` tells the database of it, and has events made of what anybody has cut.
    """

    def __init__(self, limits: QuotaLimits, metrics: Metrics) -> None:
        self.limits = limits
        self._days = limits.days()
        self._metrics = metrics
        self.tally = Tally(on_cut=self._count)
        self._told: set[tuple[date, str, Quota]] = set()

    async def take(self, connection: Connection, device: str, quota: Quota, wanted: int = 1, *, size: int = 0) -> bool:
        """Use so much, all or nothing; `size` is the bytes of the message that is not kept otherwise."""
        granted = await self._take(connection, device, quota, wanted, whole=True, size=size)
        return granted == wanted

    async def room_for(self, connection: Connection, device: str, quota: Quota, wanted: int) -> int:
        """Use so much, or what is left of it; returns how much."""
        return await self._take(connection, device, quota, wanted, whole=False, size=0)

    async def try_one(self, connection: Connection, device: str, quota: Quota) -> bool:
        """Use one; for who undoes the transaction where there is none, and tells `tally`, which this does not."""
        return await take_quota(connection, device, quota, 1, self._days[quota], True, 0) == 1

    async def quarantine(self, connection: Connection, device: str, payload: bytes) -> bool:
        """Whether there is room for one more payload of a device in quarantine."""
        size = len(payload)
        return await self.take(connection, device, Quota.QUARANTINE, size + ROW_BYTES, size=size)

    async def run(self, pool: Pool) -> None:
        """Tell what was cut, for ever."""

        async def tell() -> list[str]:
            self.tally.turn(datetime.now(UTC).date())
            return await self.tally.write(pool)

        while True:
            await one_round(tell, "gateway.quotas", self._metrics)
            await asyncio.sleep(WRITE_S)

    async def _take(
        self, connection: Connection, device: str, quota: Quota, wanted: int, *, whole: bool, size: int
    ) -> int:
        limit = self._days[quota]
        granted = await take_quota(connection, device, quota, wanted, limit, whole, size)
        if granted < wanted:
            first = self._is_first(device, quota)
            self._count(Cut(device, quota, 1 if whole else wanted - granted, size, limit, first=first))
        return granted

    def _is_first(self, device: str, quota: Quota) -> bool:
        """Of the day, as far as is remembered."""
        key = (datetime.now(UTC).date(), device, quota)
        if key in self._told:
            return False
        if len(self._told) >= MOST_TOLD:
            self._told.clear()
        self._told.add(key)
        return True

    def _count(self, cut: Cut) -> None:
        self._metrics.quota_cut.labels(cut.quota).inc(cut.count)
        if cut.first:
            log.warning("quota_exceeded", device=cut.device or None, quota=cut.quota, allowed_a_day=cut.limit)
