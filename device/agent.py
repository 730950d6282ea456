"""The agent's tasks and how they end: ports in, outbox on disk, connection out."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final

import structlog

from broker.backoff import Backoff
from broker.errors import TransientError, WattlineError
from broker.service import Health
from broker.session import Session
from broker.wording import counted
from device.commands import Commands
from device.context import Context
from device.control import Control
from device.gathered import GatheredFrame, GatheredSample
from device.inbox import Inbox
from device.outbox import Outbox
from device.outbox_segments import sync
from device.platform_clock import OFF_S
from device.ports import Ports
from device.probation import Probation
from device.publisher import Publisher
from device.write_ahead import WriteAhead

log = structlog.get_logger()

UPKEEP_S: Final = 1.0
FAREWELL_S: Final = 2.0
TAKEOVER_TOLD_S: Final = 3600.0
ASK_AGAIN_S: Final = 60.0
ASK_AGAIN_CAP_S: Final = 3600.0
"""A registration that nobody answers is sent again after this long, then twice as long each time, up to the cap."""


@dataclass(slots=True)
class Agent:
    """The tasks of one device over its parts; `run` ends when `stop` is set and what can be handed over is."""

    context: Context
    session: Session
    outbox: Outbox
    publisher: Publisher
    control: Control
    inbox: Inbox
    ports: Ports
    probation: Probation
    commands: Commands
    ahead: WriteAhead
    restarts: bool = False
    """Whether it ends by command, to be started again."""
    _syncing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _ask_again_s: float = ASK_AGAIN_S
    _waits_since_s: float | None = None
    _takeovers: int = 0
    _clock_told_s: float = 0.0
    _takeover_told_s: float = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`, then stop reading, send what waits under a deadline, and say goodbye."""
        self._wire(stop)
        self._take_up()
        async with asyncio.TaskGroup() as group:
            intake = group.create_task(self.ports.run(), name="device.ports")
            others = [
                group.create_task(self.inbox.run(), name="device.inbox"),
                group.create_task(self.commands.run(), name="device.commands"),
                group.create_task(self.probation.run(self.inbox.apply), name="device.probation"),
                group.create_task(self._connection(), name="device.connection"),
                group.create_task(self._bundles(), name="device.bundles"),
                group.create_task(self._upkeep(), name="device.upkeep"),
                group.create_task(self._sync(), name="device.sync"),
            ]
            await stop.wait()
            intake.cancel()
            await asyncio.wait({intake})
            self.context.bundles.flush(self.context.monotonic(), 0)
            await self._drain()
            with contextlib.suppress(TimeoutError, WattlineError):
                async with asyncio.timeout(FAREWELL_S):
                    await self.control.farewell()
            for task in others:
                task.cancel()
        await self._sync_now()

    def health(self, health: Health) -> None:
        """Add the checks of /healthz. A broker that is away is no illness: the outbox is there for it."""

        def outbox() -> tuple[bool, str]:
            if self.outbox.disk_error:
                return False, f"disk: {self.outbox.disk_error}; messages wait in memory"
            if self.ahead.error:
                return False, f"disk: {self.ahead.error}; a power cut would take what is gathered"
            unconfirmed = f"{self.outbox.unconfirmed} for a receipt" if self.outbox.heard else "no receipt ever came"
            return True, f"{self.outbox.waiting} wait for the broker, {unconfirmed}, {self.outbox.size_bytes} bytes"

        def ports() -> tuple[bool, str]:
            states = ", ".join(f"{port.path} {port.state}" for port in self.ports.all)
            return True, states or "no serial port found yet"

        def config() -> tuple[bool, str]:
            trial, failed = self.context.config.trial, self.context.config.failed
            state = " on probation" if trial else ""
            if failed:
                state += f", {failed.desired.version} reverted: {', '.join(self.context.config.held_back())} held back"
            return True, f"version {self.context.config.version} in force{state}"

        health.add("config", config)
        health.add("outbox", outbox)
        health.add("ports", ports)
        health.add("broker", lambda: (True, self._standing()))

    def _standing(self) -> str:
        session = self.session
        told = "connected" if session.connected else f"not connected: {session.last_error or 'connecting'}"
        if session.taken_over_at is None or not session.connected:
            return told
        last = f"last {session.taken_over_at:%FT%TZ}"
        return f"{told}; {counted(session.takeovers, 'time')} another client took over this device's id, {last}"

    def _wire(self, stop: asyncio.Event) -> None:
        context = self.context

        def end() -> None:
            self.restarts = True
            stop.set()

        self.commands.end_agent = end
        self.commands.answer_interrupted()
        self.inbox.on_command = self.commands.take
        context.hurry = self.ports.hurry
        self.publisher.ready = lambda: self.control.registered
        self.control.on_sent = self.publisher.nudge
        context.apply_limit = self.outbox.set_limit
        context.make_durable = self._sync_now
        context.registered = lambda: self.session.connected and self.control.registered
        context.on_spec_used = lambda: self.control.report(None, context.specs_in_use)
        context.registry.changed = lambda: self.control.registration_changed(self.ports.names, context.registry.meters)
        self.publisher.on_poison = lambda record, code: context.outgoing.event(
            "message_refused_by_broker", "error", kind=str(record.kind), bytes=len(record.payload), code=code
        )
        self.inbox.on_receipts = self.publisher.take_receipts
        # before anything else is sent: without it nobody could tell that the end of the boot before is missing
        context.outgoing.began(self.outbox.previous, self.outbox.waiting, self.outbox.unconfirmed)
        self._tell_damages()
        self.inbox.obey()

    def _take_up(self) -> None:
        """Send what the run before had gathered and not sent when it was cut off."""
        context, left = self.context, self.ahead.take_left()
        now_at, late_s = context.clock.now(), context.settings.backfill_after_s
        samples = [one.late(now_at, late_s) for one in left if isinstance(one, GatheredSample)]
        frames = [one for one in left if isinstance(one, GatheredFrame)]
        context.bundles.take_up([*samples, *frames], context.monotonic())
        if left:
            context.outgoing.event("gathered_recovered", samples=len(samples), frames=len(frames))

    def _tell_damages(self) -> None:
        context = self.context
        files = {
            "desired.json": context.config.damage,
            "ports.json": context.memory.damage,
            "commands.json": self.commands.damage,
        }
        for file, damage in files.items():
            if damage:
                context.metrics.files_damaged.labels(file).inc()
                context.outgoing.event("file_damaged", "warning", file=file, damage=damage)

    async def _connection(self) -> None:
        backoff = Backoff(first_s=0.5, cap_s=10.0)
        while True:
            await self.session.wait_connected()
            # a connection may be lost and another one up before anybody looks: each wants its own greeting
            number = self.session.connections
            try:
                await self.control.greet()
                backoff.succeeded()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.publisher.pump(number), name="device.pump")
                    group.create_task(self.control.run(number), name="device.control")
            except* (TransientError, TimeoutError) as lost:
                log.warning("connection_interrupted", reason=str(lost.exceptions[0]))
            except* WattlineError as refused:
                log.warning("broker_refuses_us", reason=str(refused.exceptions[0]))
                self.context.metrics.publish_failures.labels("refused").inc()
            else:
                continue
            await asyncio.sleep(backoff.next_s())

    async def _bundles(self) -> None:
        while True:
            context = self.context
            interval_s = context.config.parameters.publish_interval_s
            now_s = context.monotonic()
            context.bundles.flush(now_s, interval_s)
            due_s = context.bundles.next_due_s(interval_s)
            rest_s = interval_s if due_s is None else due_s - now_s
            await asyncio.sleep(max(0.02, min(rest_s, 0.2)))

    async def _sync(self) -> None:
        settings = self.context.settings
        waited_s, appended = 0.0, self.outbox.counts.appended
        step_s = min(0.05, settings.sync_s)
        while True:
            await asyncio.sleep(step_s)
            waited_s += step_s
            if waited_s >= settings.sync_s or self.outbox.counts.appended - appended >= settings.sync_records:
                waited_s, appended = 0.0, self.outbox.counts.appended
                await self._sync_now()

    async def _sync_now(self) -> bool:
        # one after another: who comes second must not return while the first still waits for the disk
        async with self._syncing:
            sent = self.ahead.has_sent()
            descriptors = self.outbox.take_unsynced() + self.ports.take_unsynced() + self.ahead.take_unsynced()
            self.context.metrics.syncs.inc(len(descriptors))
            try:
                if descriptors:
                    await asyncio.to_thread(sync, descriptors)
            except OSError as error:
                self.outbox.sync_failed(error)
                self.ahead.sync_failed()
                return False
            self.outbox.save_state()
            if self.outbox.disk_error:
                return False
            if sent:
                self.ahead.empty()
            return True

    async def _upkeep(self) -> None:
        context = self.context
        while True:
            try:
                step_s = context.clock.stepped_s()
                if step_s:
                    context.metrics.clock_steps.inc()
                    context.outgoing.event("clock_stepped", "warning", by_s=round(step_s, 3))
                self._tell_clock()
                for notice in self.outbox.take_notices() + self.ahead.take_notices():
                    context.outgoing.event(notice.event, notice.severity, **notice.detail)
                self._tell_takeover()
                self._ask_again()
                context.registry.upkeep()
                self.ports.upkeep()
                self.publisher.resending.upkeep()
                self._measure()
            except Exception:
                log.exception("upkeep_failed")
                context.metrics.task_failures.labels("upkeep").inc()
            await asyncio.sleep(UPKEEP_S)

    def _tell_clock(self) -> None:
        """Once when the clock is proven to be far off, again when it is off by something else, and when it is right."""
        context, off_s = self.context, self.context.clock.off_s()
        context.metrics.clock_off_s.set(off_s)
        if bool(off_s) == bool(self._clock_told_s) and abs(off_s - self._clock_told_s) < OFF_S:
            return
        self._clock_told_s = off_s
        if not off_s:
            context.outgoing.event("clock_recovered")
            return
        fix = "let NTP keep the device's clock; until then times are the platform's"
        context.outgoing.event("clock_off", "warning", off_s=round(off_s, 1), kept_by_ntp=context.clock.kept, fix=fix)

    def _ask_again(self) -> None:
        """A gateway that has never been connected did not hear the registration, and the broker kept it for nobody."""
        context, now_s = self.context, self.context.monotonic()
        meters = (meter for meter in context.registry.meters if meter.parent is None)
        if all(context.config.meter(meter.key) is not None for meter in meters):
            self._waits_since_s, self._ask_again_s = None, ASK_AGAIN_S
        elif not context.registered():
            return
        elif self._waits_since_s is None:
            self._waits_since_s = now_s
        elif now_s - self._waits_since_s >= self._ask_again_s:
            self._waits_since_s, self._ask_again_s = now_s, min(ASK_AGAIN_CAP_S, 2 * self._ask_again_s)
            log.warning("registration_unanswered", retry_in_s=self._ask_again_s)
            self.control.registration_changed(self.ports.names, context.registry.meters)

    def _tell_takeover(self) -> None:
        """Once in TAKEOVER_TOLD_S, for two devices of one id may take turns for days."""
        session, now_s = self.session, self.context.monotonic()
        if session.takeovers > self._takeovers and now_s - self._takeover_told_s >= TAKEOVER_TOLD_S:
            self._takeovers, self._takeover_told_s = session.takeovers, now_s
            fix = "give one of the two devices another WATTLINE_DEVICE_DEVICE_ID"
            self.context.outgoing.event("session_taken_over", "error", times=session.takeovers, fix=fix)

    def _measure(self) -> None:
        metrics, outbox = self.context.metrics, self.outbox
        metrics.outbox_bytes.set(outbox.size_bytes)
        metrics.outbox_limit_bytes.set(outbox.limit_bytes)
        metrics.outbox_messages.set(outbox.waiting)
        metrics.outbox_oldest_age_s.set(outbox.oldest_age_s())
        metrics.unconfirmed.set(outbox.unconfirmed)
        metrics.unconfirmed_oldest_age_s.set(self.publisher.resending.oldest_s())
        for cause in ("dropped", "thinned", "damaged"):
            metrics.outbox_lost.labels(cause).set(getattr(outbox.counts, cause))
        metrics.outbox_lost.labels("unconfirmed").set(outbox.counts.unconfirmed_dropped)
        metrics.outbox_damaged_bytes.set(outbox.damaged_bytes + self.ahead.damaged_bytes)
        metrics.disk_errors.set(outbox.counts.disk_errors + self.ahead.errors)
        metrics.write_ahead_bytes.set(self.ahead.size_bytes)
        metrics.connected.set(self.session.connected)
        metrics.takeovers.set(self.session.takeovers)
        metrics.clock_synced.set(self.context.clock.trust() == "synced")

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.context.settings.stop_s):
                while not self.publisher.idle and self.session.connected:
                    await asyncio.sleep(0.05)
