"""The agent's tasks and how they end: ports in, outbox on disk, connection out."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

import structlog

from broker.backoff import Backoff
from broker.errors import TransientError, WattlineError
from broker.mqtt.session import Session
from broker.runtime.service import Health
from broker.wording import counted
from device.activation.activation import Activation
from device.activation.probation import Probation
from device.announcements import Control
from device.commands.execution import Commands
from device.history.event_logs import EventLogs
from device.history.history import History
from device.inbox import Inbox
from device.moving.moving import Moving
from device.outbox.durability import Durability
from device.outbox.gathered import GatheredFrame, GatheredSample
from device.outbox.outbox import Outbox
from device.outbox.publisher import Publisher
from device.outbox.write_ahead import WriteAhead
from device.ports.supervisor import Ports
from device.readings.context import Context
from device.upkeep import Upkeep

log = structlog.get_logger()

BUNDLES_S: Final = 1.0
"""How long another publish interval may take to be obeyed."""
FAREWELL_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Agent:
    """The tasks of one device over its parts; `run` ends when `stop` is set and what can be handed over is."""

    context: Context
    session: Session
    outbox: Outbox
    ahead: WriteAhead
    durability: Durability
    publisher: Publisher
    control: Control
    inbox: Inbox
    ports: Ports
    history: History
    logs: EventLogs
    activation: Activation
    probation: Probation
    commands: Commands
    upkeep: Upkeep
    moving: Moving

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`, then stop reading, send what waits under a deadline, and say goodbye."""
        self._start()
        async with asyncio.TaskGroup() as group:
            intake = group.create_task(self.ports.run(), name="device.ports")
            others = [
                group.create_task(self.inbox.run(), name="device.inbox"),
                group.create_task(self.commands.run(), name="device.commands"),
                group.create_task(self.probation.run(self.activation.reapply), name="device.probation"),
                group.create_task(self.moving.run(), name="device.moving"),
                group.create_task(self._connection(), name="device.connection"),
                group.create_task(self._bundles(), name="device.bundles"),
                group.create_task(self.upkeep.run(), name="device.upkeep"),
                group.create_task(self.durability.run(), name="device.sync"),
            ]
            await stop.wait()
            intake.cancel()
            await asyncio.wait({intake})
            self.context.keys.counters.close()
            self.context.bundles.flush(self.context.monotonic(), 0)
            await self._drain()
            with contextlib.suppress(TimeoutError, WattlineError):
                async with asyncio.timeout(FAREWELL_S):
                    await self.control.farewell()
            for task in others:
                task.cancel()
        await self.durability.now()

    def health(self, health: Health) -> None:
        """Add the checks of /healthz. A broker that is away is no illness: the outbox is there for it."""

        def outbox() -> tuple[bool, str]:
            if self.outbox.disk_error:
                return False, f"disk: {self.outbox.disk_error}; messages wait in memory"
            if self.ahead.error:
                return False, f"disk: {self.ahead.error}; a power cut would take what is gathered"
            unconfirmed = (
                f"{self.outbox.unconfirmed} for a receipt" if self.outbox.has_receipts else "no receipt ever came"
            )
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
        health.add("broker", lambda: (True, self._broker_state()))

    def _broker_state(self) -> str:
        session = self.session
        state = "connected" if session.connected else f"not connected: {session.last_error or 'connecting'}"
        if session.taken_over_at is None or not session.connected:
            return state
        last = f"last {session.taken_over_at:%FT%TZ}"
        return f"{state}; {counted(session.takeovers, 'time')} another client took over this device's id, {last}"

    def _start(self) -> None:
        """Take up what the run before left; the first message says how far that had got."""
        self.commands.answer_interrupted()
        # before anything else is sent: without it nobody would know that the end of the boot before is missing
        self.context.outgoing.began(self.outbox.previous, self.outbox.waiting, self.outbox.unconfirmed)
        self._report_damages()
        self.activation.apply()
        self._take_up()

    def _take_up(self) -> None:
        """Send what the run before had gathered and not sent when it was cut off."""
        context, left = self.context, self.ahead.take_left()
        now_at, late_s = context.clock.now(), context.settings.backfill_after_s
        samples = [one.late(now_at, late_s) for one in left if isinstance(one, GatheredSample)]
        frames = [one for one in left if isinstance(one, GatheredFrame)]
        context.bundles.take_up([*samples, *frames], context.monotonic())
        if left:
            context.outgoing.event("gathered_recovered", samples=len(samples), frames=len(frames))

    def _report_damages(self) -> None:
        context = self.context
        files = {
            "desired.json": context.config.damage,
            "ports.json": self.ports.damage,
            "commands.json": self.commands.damage,
            "history.json": self.history.damage,
            "event-logs.json": self.logs.damage,
            "meter-keys.json": self.context.keys.damage,
            "broker.json": self.moving.damage,
            "frame-counters.json": self.context.keys.counters.damage,
        }
        for file, damage in files.items():
            if damage:
                context.metrics.files_damaged.labels(file).inc()
                context.outgoing.event("file_damaged", "warning", file=file, damage=damage)

    async def _connection(self) -> None:
        backoff = Backoff(first_s=0.5, cap_s=10.0)
        while True:
            await self.session.wait_connected()
            # a connection may be lost and another one up before this task runs again: each wants its own greeting
            number = self.session.connections
            try:
                await self.control.greet()
                backoff.succeeded()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.publisher.pump(number), name="device.pump")
                    group.create_task(self.control.run(number), name="device.announcements")
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
            await asyncio.sleep(max(0.02, min(rest_s, BUNDLES_S)))

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.context.settings.stop_s):
                while not self.publisher.idle and self.session.connected:
                    await asyncio.sleep(0.05)
