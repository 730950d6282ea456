"""Puts right what the broker lost: after each connection, what it holds is compared with the store."""

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

import structlog

from broker.session import Session
from gateway.database import until_stored
from gateway.events import record_event
from gateway.metrics import Metrics
from gateway.publisher import Publisher
from gateway.sql import load
from store.pool import Pool

if TYPE_CHECKING:
    from gateway.inbox import Inbox

log = structlog.get_logger()
TICK_S = 0.1
MAX_UNKNOWN = 10_000
AT_LATEST_S = 60.0
"""After so long a moment without messages is enough, where a busy fleet leaves no longer pause."""


class Retained:
    """What was seen of the broker's retained desired configurations on this connection.

    `names` is bounded by the number of devices; of devices that the store does not know, 10 000 are remembered and
    more are left for the next connection.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.unknown_since: dict[str, float] = {}

    def saw(self, device: str) -> None:
        """The broker holds what the store does."""
        self.names.add(device)

    def unknown(self, device: str) -> None:
        """The broker holds a configuration for a device that the store does not know."""
        if len(self.unknown_since) < MAX_UNKNOWN:
            self.unknown_since.setdefault(device, time.monotonic())

    def forget(self) -> None:
        """A new connection: start over."""
        self.names.clear()
        self.unknown_since.clear()


class Reconciler:
    """Once the retained messages of a new connection have all come, republishes what is missing."""

    def __init__(
        self,
        session: Session,
        pool: Pool,
        publisher: Publisher,
        retained: Retained,
        metrics: Metrics,
        quiet_s: float,
    ) -> None:
        self._session = session
        self._pool = pool
        self._publisher = publisher
        self._retained = retained
        self._metrics = metrics
        self._quiet_s = quiet_s
        self._connected_at: float | None = None

    def connected(self, *, session_present: bool) -> None:
        """Note a new connection; called before its messages are taken."""
        self._retained.forget()
        self._publisher.forget_broker(session_present=session_present)
        self._connected_at = time.monotonic()

    async def run(self, inbox: "Inbox") -> None:
        """Compare after each connection, and settle what devices unknown to the store left behind."""
        while True:
            await asyncio.sleep(TICK_S)
            self._metrics.connected.set(self._session.connected)
            now = time.monotonic()
            if self._connected_at is not None and self._session.connected and self._is_quiet(inbox, now):
                self._connected_at = None
                await until_stored(self.compare, "gateway.reconcile", self._metrics)
            ripe = [name for name, since in self._retained.unknown_since.items() if now - since > 2 * self._quiet_s]
            for device in ripe:
                await until_stored(partial(self._settle, device), "gateway.reconcile", self._metrics)

    def _is_quiet(self, inbox: "Inbox", now: float) -> bool:
        if self._session.waiting or inbox.busy or self._connected_at is None:
            return False
        quiet_s = now - max(inbox.last_message_at, self._connected_at)
        return quiet_s >= self._quiet_s or now - self._connected_at >= AT_LATEST_S

    async def compare(self) -> int:
        """Mark what the broker lacks; returns how many devices."""
        wanted = {row["name"] for row in await self._pool.fetch(load("desired_devices"))}
        refs = [row["ref"] for row in await self._pool.fetch(load("desired_spec_refs"))]
        missing = wanted - self._retained.names
        self._publisher.need_specs(*refs)
        self._publisher.mark(*missing)
        if missing:
            self._metrics.restored.labels("lost").inc(len(missing))
        log.info("broker_compared", devices=len(wanted), missing=len(missing))
        return len(missing)

    async def _settle(self, device: str) -> None:
        """A configuration without a device goes; where the device came meanwhile, the store speaks."""
        async with self._pool.acquire() as connection, connection.transaction():
            known = await connection.fetchval("SELECT id FROM device WHERE name = $1", device)
            if known is None:
                await record_event(connection, "desired_without_device", severity="warning", detail={"device": device})
        self._retained.unknown_since.pop(device, None)
        if known is not None:
            self._publisher.mark(device)
            return
        self._metrics.restored.labels("without_device").inc()
        log.warning("desired_removed", device=device, reason="no such device has ever registered")
        self._publisher.remove(device)
