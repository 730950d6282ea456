"""What the agent does every second: notices become events, the clock is compared, the registration is repeated."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from broker.mqtt.session import Session
from device.clock_offset import OFF_S
from device.outbox.outbox import Outbox
from device.outbox.resending import Resending
from device.outbox.write_ahead import WriteAhead
from device.ports.supervisor import Ports
from device.readings.context import Context

log = structlog.get_logger()

EVERY_S: Final = 1.0
TAKEOVER_EVENT_S: Final = 3600.0
REPEAT_S: Final = 60.0
REPEAT_CAP_S: Final = 3600.0
"""A registration that nobody answers is sent again after this long, then twice as long each time, up to the cap."""
_STATM: Final = Path("/proc/self/statm")
"""Memory of this process in pages (proc(5)); the second number is what it holds."""


class Upkeep:
    """Runs once a second beside the other tasks; what fails in it is logged, counted and tried again."""

    def __init__(
        self,
        context: Context,
        session: Session,
        outbox: Outbox,
        ahead: WriteAhead,
        resending: Resending,
        ports: Ports,
        software: Callable[[], None],
    ) -> None:
        self._context = context
        self._session = session
        self._outbox = outbox
        self._ahead = ahead
        self._resending = resending
        self._ports = ports
        self._software = software
        self._repeat_s = REPEAT_S
        self._unanswered_since_s: float | None = None
        self._takeovers = 0
        self._takeover_event_s = float("-inf")
        self._clock_off_s = 0.0

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            try:
                self._once()
            except Exception:
                log.exception("upkeep_failed")
                self._context.metrics.task_failures.labels("upkeep").inc()
            await asyncio.sleep(EVERY_S)

    def _once(self) -> None:
        context = self._context
        step_s = context.clock.stepped_s()
        if step_s:
            context.metrics.clock_steps.inc()
            context.outgoing.event("clock_stepped", "warning", by_s=round(step_s, 3))
        self._compare_clock()
        for notice in self._outbox.take_notices() + self._ahead.take_notices():
            context.outgoing.event(notice.event, notice.severity, **notice.detail)
        self._notice_takeover()
        self._repeat_registration()
        context.registry.upkeep()
        self._ports.upkeep()
        self._resending.upkeep()
        self._software()
        self._measure()

    def _compare_clock(self) -> None:
        """An event when the clock is proven to be far off, when it is off by something else, and when it is right."""
        context, off_s = self._context, self._context.clock.off_s()
        context.metrics.clock_off_s.set(off_s)
        if bool(off_s) == bool(self._clock_off_s) and abs(off_s - self._clock_off_s) < OFF_S:
            return
        self._clock_off_s = off_s
        if not off_s:
            context.outgoing.event("clock_recovered")
            return
        fix = "let NTP keep the device's clock; until then times are the platform's"
        context.outgoing.event("clock_off", "warning", off_s=round(off_s, 1), kept_by_ntp=context.clock.kept, fix=fix)

    def _repeat_registration(self) -> None:
        """A gateway that has never been connected did not get the registration, and the broker kept it for nobody."""
        context, now_s = self._context, self._context.monotonic()
        meters = (meter for meter in context.registry.meters if meter.parent is None)
        if all(context.config.meter(meter.key) is not None for meter in meters):
            self._unanswered_since_s, self._repeat_s = None, REPEAT_S
        elif not context.registry.is_registered():
            return
        elif self._unanswered_since_s is None:
            self._unanswered_since_s = now_s
        elif now_s - self._unanswered_since_s >= self._repeat_s:
            self._unanswered_since_s, self._repeat_s = now_s, min(REPEAT_CAP_S, 2 * self._repeat_s)
            log.warning("registration_unanswered", retry_in_s=self._repeat_s)
            context.registry.register()

    def _notice_takeover(self) -> None:
        """One event in TAKEOVER_EVENT_S, for two devices of one id may take turns for days."""
        session, now_s = self._session, self._context.monotonic()
        if session.takeovers > self._takeovers and now_s - self._takeover_event_s >= TAKEOVER_EVENT_S:
            self._takeovers, self._takeover_event_s = session.takeovers, now_s
            fix = "give one of the two devices another WATTLINE_DEVICE_DEVICE_ID"
            self._context.outgoing.event("session_taken_over", "error", times=session.takeovers, fix=fix)

    def _measure(self) -> None:
        metrics, outbox = self._context.metrics, self._outbox
        metrics.outbox_bytes.set(outbox.size_bytes)
        metrics.outbox_limit_bytes.set(outbox.limit_bytes)
        metrics.outbox_messages.set(outbox.waiting)
        metrics.outbox_oldest_age_s.set(outbox.oldest_age_s())
        metrics.unconfirmed.set(outbox.unconfirmed)
        metrics.unconfirmed_oldest_age_s.set(self._resending.oldest_s())
        for cause in ("dropped", "thinned", "damaged"):
            metrics.outbox_lost.labels(cause).set(getattr(outbox.counts, cause))
        metrics.outbox_lost.labels("unconfirmed").set(outbox.counts.unconfirmed_dropped)
        metrics.outbox_damaged_bytes.set(outbox.damaged_bytes + self._ahead.damaged_bytes)
        metrics.disk_errors.set(outbox.counts.disk_errors + self._ahead.errors)
        metrics.write_ahead_bytes.set(self._ahead.size_bytes)
        metrics.connected.set(self._session.connected)
        metrics.resident_bytes.set(_resident_bytes())
        metrics.takeovers.set(self._session.takeovers)
        metrics.receipts_dropped.set(self._session.dropped_qos0)
        metrics.clock_synced.set(self._context.clock.trust() == "synced")


def _resident_bytes() -> int:
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
