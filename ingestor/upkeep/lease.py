"""The lease by which one of several ingestors does the upkeep: it ends by the database's clock unless it is renewed."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import structlog

from ingestor.upkeep.store import hold_lease
from store.errors import DATABASE_ERRORS, reason
from store.pool import Pool

log = structlog.get_logger()
LEASE_S: Final = 30.0
"""Another ingestor takes over when it was not renewed for so long."""
RENEW_S: Final = 8.0
SPARE_S: Final = 5.0
"""So long before its end the work is given up, for clocks of two hosts do not run alike."""


class Lease:
    """Held by this process while `holding`; each holder's name is of one process's life."""

    def __init__(self, name: str) -> None:
        self.holder = f"{name} {secrets.token_hex(4)}"
        self._held: asyncio.Timeout | None = None

    @property
    def held(self) -> bool:
        """Whether it is ours just now."""
        return self._held is not None

    async def take(self, pool: Pool) -> bool:
        """Take it, or renew it; False where somebody else has it. Raises database errors."""
        return await hold_lease(pool, self.holder, timedelta(seconds=LEASE_S))

    @contextlib.asynccontextmanager
    async def holding(self, pool: Pool) -> AsyncIterator[bool]:
        """Give whether the lease is ours in the block, which ends with TimeoutError where `renew` can't keep it."""
        before_s = asyncio.get_running_loop().time()
        if not await self.take(pool):
            yield False
            return
        try:
            async with asyncio.timeout_at(before_s + LEASE_S - SPARE_S) as self._held:
                yield True
        finally:
            self._held = None

    async def renew(self, pool: Pool) -> None:
        """Renew it while it is held, for ever: a task of its own, as the work may take an hour."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(RENEW_S)
            if (held := self._held) is None:
                continue
            before_s = loop.time()
            try:
                async with asyncio.timeout(RENEW_S):
                    ours = await self.take(pool)
            except DATABASE_ERRORS as error:
                log.warning("upkeep_lease_not_renewed", reason=reason(error))
                continue
            if held is self._held and not held.expired():
                held.reschedule(before_s + LEASE_S - SPARE_S if ours else loop.time())

    async def release(self, pool: Pool) -> None:
        """Give it back, so that another ingestor need not wait for its end."""
        try:
            await hold_lease(pool, self.holder, timedelta())
        except DATABASE_ERRORS as error:
            log.info("upkeep_lease_not_given_back", reason=reason(error), ends_in_s=LEASE_S)
