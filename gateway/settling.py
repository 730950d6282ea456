"""What comes after a registration: the registers of swaps as their readings arrive, and the counts of the fleet."""

import asyncio
import time

import structlog

from gateway.database import until_stored
from gateway.metrics import Metrics
from gateway.sql import load
from store.pool import Pool

log = structlog.get_logger()
STAYS_AT_ONCE = 100
"""Stays looked at in one transaction; what else is due waits for the next round."""
COUNT_EVERY = 6
"""Rounds without work between two counts of the fleet."""


class Settler:
    """Looks for the opening and closing registers of stays, over and over while readings may still come late.

    What is due stands in the database, so a restart forgets nothing and a round done twice changes nothing.
    """

    def __init__(self, pool: Pool, metrics: Metrics, every_s: float) -> None:
        self._pool = pool
        self._metrics = metrics
        self._every_s = every_s
        self._counted_at = float("-inf")

    async def run(self) -> None:
        """Settle for ever."""
        while True:
            settled = await until_stored(self.settle, "gateway.settle", self._metrics)
            if time.monotonic() - self._counted_at >= COUNT_EVERY * self._every_s:
                await until_stored(self._count, "gateway.count", self._metrics)
            await asyncio.sleep(self._every_s if settled < STAYS_AT_ONCE else 0.05)

    async def settle(self) -> int:
        """One round; returns how many stays were due."""
        async with self._pool.acquire() as connection, connection.transaction():
            due = [row["id"] for row in await connection.fetch(load("stays_to_check"), STAYS_AT_ONCE)]
            if not due:
                return 0
            changed = {row["point_id"] for row in await connection.fetch(load("fill_registers"), due)}
            if changed:
                await connection.execute(load("refresh_swaps"), sorted(changed))
            await connection.execute(load("plan_next_check"), due, self._every_s)
        if changed:
            log.info("registers_settled", stays=len(due), points=len(changed))
        return len(due)

    async def _count(self) -> None:
        row = await self._pool.fetchrow(load("fleet_counts"))
        if row is not None:
            self._metrics.duplicated.set(row["duplicated"])
            self._metrics.unknown_meters.set(row["unknown"])
        self._counted_at = time.monotonic()
