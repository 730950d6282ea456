"""History for hosts: what was stored while none was there, comes late, or lies between two looks, once for sure."""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from broker.backoff import Backoff
from broker.errors import PermanentError
from outlet.metrics import OutletMetrics
from outlet.settings import OutletSettings
from outlet.spans.cursor import SpanCursor, pages, together
from outlet.spans.store import Span
from outlet.sparkplug.node import EdgeNode, Message
from store.errors import DATABASE_ERRORS, heals, reason
from store.pool import Pool

log = structlog.get_logger()
WAIT_S: Final = 1.0


class Connected(Protocol):
    """What history is sent by."""

    def life(self) -> int | None:
        """A number of the present births, another one after each connection; None while the node is not alive."""

    def told_since(self, at: datetime) -> bool:
        """Whether a look that began at this time or later has been told."""

    async def confirmed(self) -> None:
        """Return when the broker has taken what was sent before, or the connection is lost."""


class History:
    """Reads what was stored in the order of commits, waits for the look that tells the newest of it, sends the rest.

    Memory holds one page. While the node is not alive all waits in the store. What the broker has not surely taken when
    a connection is lost is sent again: a repeat has the same alias, time and value.
    """

    def __init__(
        self, settings: OutletSettings, node: EdgeNode, metrics: OutletMetrics, connected: Connected,
        send: Callable[[list[Message]], bool],
    ) -> None:  # fmt: skip
        told = settings.sparkplug
        self._every_s = settings.look_every_s
        self._node = node
        self._metrics = metrics
        self._connected = connected
        self._send = send
        name = hashlib.sha256(f"{told.group}/{told.node}".encode()).hexdigest()[:16]
        self._cursor = SpanCursor(f"sparkplug-{name}", None, "sparkplug_history_seeded")

    async def run(self, pool: Pool) -> None:
        """Give until cancelled. Raises PermanentError where the database refuses us for good."""
        backoff = Backoff(cap_s=30.0)
        while True:
            try:
                spans = await self._cursor.next(pool)
                behind_s = (datetime.now(UTC) - spans[0].at).total_seconds() if spans else 0.0
                self._metrics.history_behind_s.set(max(0.0, behind_s))
                life = await self._seen() if spans else None
                if life is None or not await self._give(pool, spans, life):
                    await asyncio.sleep(self._every_s)
                    continue
                await self._cursor.given(pool, spans)
                backoff.succeeded()
            except DATABASE_ERRORS as error:
                if not heals(error):
                    raise PermanentError(f"the database refuses the outlet: {error}") from error
                log.warning("sparkplug_history_not_read", reason=reason(error))
                await asyncio.sleep(backoff.next_s())

    async def _seen(self) -> int | None:
        """Wait until hosts know what is newest of what has been read until now; None where nobody tells them."""
        now = datetime.now(UTC)
        while (life := self._connected.life()) is not None and not self._connected.told_since(now):
            await asyncio.sleep(min(WAIT_S, self._every_s))
        return life

    async def _give(self, pool: Pool, spans: list[Span], life: int) -> bool:
        """Send all of some spans; whether the broker has taken it, on one connection and after one birth."""
        given = untold = 0
        for span in together(spans):
            async for page in pages(pool, span):
                if self._connected.life() != life:
                    return False
                # numbered and sent in one go, so that nothing comes between
                late = self._node.history(page)
                if not self._send(late.messages):
                    self._node.forget()
                    return False
                given, untold = given + late.readings, untold + late.untold
                await self._connected.confirmed()
        if self._connected.life() != life:
            return False
        self._metrics.history.inc(given)
        self._metrics.history_untold.inc(untold)
        return True
