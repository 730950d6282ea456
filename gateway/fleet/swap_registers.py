"""What comes after a registration: the registers of swaps as their readings arrive, and the counts of the fleet."""

import asyncio
import time
from collections.abc import Sequence

import asyncpg
import structlog

from gateway.database import one_round
from gateway.fleet.store.devices import fleet_counts
from gateway.fleet.store.points import plan_next_check, stays_to_check
from gateway.fleet.store.registers import fill_registers, refresh_swaps
from gateway.metrics import Metrics
from store.errors import refuses_data
from store.pool import Pool

log = structlog.get_logger()
STAYS_AT_ONCE = 100
"""Stays looked at in one transaction; what else is due waits for the next round."""
COUNT_EVERY = 6
"""Rounds without work between two counts of the fleet."""


class SwapRegisters:
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
            settled = await one_round(self.settle, "gateway.settle", self._metrics) or 0
            if time.monotonic() - self._counted_at >= COUNT_EVERY * self._every_s:
                await one_round(self._count, "gateway.count", self._metrics)
            await asyncio.sleep(self._every_s if settled < STAYS_AT_ONCE else 0.05)

    async def settle(self) -> int:
        """One round; returns how many stays were due. One that the database refuses holds up no other."""
        due = await stays_to_check(self._pool, STAYS_AT_ONCE)
        try:
            if due:
                await self._settle(due)
        except asyncpg.PostgresError as error:
            if not refuses_data(error):
                raise
            for stay in due:
                await self._settle_one(stay)
        return len(due)

    async def _settle(self, due: Sequence[int]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            changed = set(await fill_registers(connection, due))
            if changed:
                await refresh_swaps(connection, sorted(changed))
            await plan_next_check(connection, due, self._every_s)
        if changed:
            log.info("registers_settled", stays=len(due), points=len(changed))

    async def _settle_one(self, stay: int) -> None:
        """Settle a stay, or leave it until its next check."""
        try:
            await self._settle([stay])
        except asyncpg.PostgresError as error:
            if not refuses_data(error):
                raise
            self._metrics.unsettled.inc()
            log.warning("stay_not_settled", stay=stay, reason=str(error), note="looked at again at its next check")
            await plan_next_check(self._pool, [stay], self._every_s)

    async def _count(self) -> None:
        counts = await fleet_counts(self._pool)
        self._metrics.duplicated.set(counts.duplicated)
        self._metrics.unknown_meters.set(counts.unknown)
        self._counted_at = time.monotonic()
