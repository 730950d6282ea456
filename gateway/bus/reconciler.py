"""Puts right what the broker lost: after each connection, what it holds is compared with the store."""

import asyncio
import time
from functools import partial

import structlog

from broker.mqtt.session import Session
from gateway.bus.inbox import Inbox
from gateway.bus.publisher import Publisher
from gateway.bus.retained import Retained
from gateway.bus.store import desired_devices, desired_spec_refs, find_desired, software_devices
from gateway.database import until_stored
from gateway.desired.change import Configuration
from gateway.events import record_event
from gateway.metrics import Metrics

log = structlog.get_logger()
TICK_S = 0.1
AT_LATEST_S = 60.0
"""After so long a moment without messages is enough, where a busy fleet leaves no longer pause."""


class Reconciler:
    """Once the retained messages of a new connection have all come, republishes what is missing."""

    def __init__(
        self,
        session: Session,
        configuration: Configuration,
        publisher: Publisher,
        retained: Retained,
        metrics: Metrics,
        quiet_s: float,
    ) -> None:
        self._session = session
        self._configuration = configuration
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
        """Have published again what the broker has lost; returns of how many devices."""
        async with self._configuration.changing() as change:
            wanted = set(await desired_devices(change.connection))
            refs = await desired_spec_refs(change.connection)
            missing = await change.republish(wanted - self._retained.names)
            updating = set(await software_devices(change.connection))
            forgotten = await change.republish_software(updating - self._retained.software)
        self._publisher.need_specs(*refs)
        if missing or forgotten:
            self._metrics.restored.labels("lost").inc(len(missing) + len(forgotten))
        log.info("broker_compared", devices=len(wanted), missing=len(missing), software_missing=len(forgotten))
        return len(missing)

    async def _settle(self, device: str) -> None:
        """A configuration without a device goes; where the device came meanwhile, the store speaks."""
        async with self._configuration.changing() as change:
            known = await find_desired(change.connection, device)
            if known is None:
                detail = {"device": device}
                await record_event(change.connection, "desired_without_device", severity="warning", detail=detail)
            else:
                await change.republish([device])
        self._retained.unknown_since.pop(device, None)
        if known is not None:
            return
        self._metrics.restored.labels("without_device").inc()
        log.warning("desired_removed", device=device, reason="no such device has ever registered")
        self._publisher.remove(device)
