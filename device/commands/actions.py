"""What each command does on the device."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from broker.contract.commands import (
    CancelProfile,
    Identify,
    Nothing,
    PublishFrames,
    ReadLog,
    ReadNow,
    ReadProfile,
    SetMeterClock,
    refused,
)
from broker.wording import counted
from device.activation.activation import Activation
from device.commands.execution import Action, CommandFailedError
from device.commands.meter_clock import set_meter_clock
from device.history.event_logs import EventLogs
from device.history.history import History
from device.outbox.live import LiveLane
from device.outbox.outbox import Outbox
from device.ports.port import Port
from device.ports.supervisor import Ports
from device.readings.context import Context
from device.version import software_version

RESTART: Final = "restart"
CHECK_S: Final = 0.1
MARGIN_S: Final = 0.5
"""Left of a command's time to say what did not come."""


class Actions:
    """The commands over the parts of one agent; each returns its result as JSON-able facts."""

    def __init__(
        self,
        context: Context,
        ports: Ports,
        history: History,
        logs: EventLogs,
        outbox: Outbox,
        live: LiveLane,
        activation: Activation,
    ) -> None:
        self._context = context
        self._ports = ports
        self._history = history
        self._logs = logs
        self._outbox = outbox
        self._live = live
        self._activation = activation
        self._started_s = context.monotonic()

    def by_name(self) -> dict[str, Action]:
        """All actions by their command."""
        return {
            "ping": self.ping,
            "identify": self.identify,
            "read_now": self.read_now,
            "read_profile": self.read_profile,
            "set_meter_clock": self.set_meter_clock,
            "read_log": self.read_log,
            "cancel_profile": self.cancel_profile,
            "publish_frames": self.publish_frames,
            RESTART: self.restart,
            "flush_outbox": self.flush_outbox,
            "retry_config": self.retry_config,
        }

    async def ping(self, _arguments: Nothing, _limit_s: float) -> dict[str, Any]:
        """Say who answers."""
        context = self._context
        return {
            "at": context.clock.now().isoformat(),
            "software": software_version(),
            "boot": context.outgoing.boot,
            "uptime_s": round(context.monotonic() - self._started_s, 1),
        }

    async def identify(self, arguments: Identify, limit_s: float) -> dict[str, Any]:
        """Detect ports and meters anew; ends when each port is settled."""
        self._ports.search()
        ports = self._chosen(arguments.port)
        for port in ports:
            port.detect_again()
        done = await _within(lambda: all(port.settled for port in self._chosen(arguments.port)), limit_s)
        found: dict[str, Any] = {port.path: _found_at(port) for port in self._chosen(arguments.port)}
        if not done:
            open_ = ", ".join(port.path for port in self._chosen(arguments.port) if not port.settled)
            raise CommandFailedError(f"still looking at {open_}", {"ports": found})
        return {"ports": found}

    async def read_now(self, arguments: ReadNow, limit_s: float) -> dict[str, Any]:
        """Take the next telegram of meters whatever their interval, ask those that are polled, and publish it."""
        context = self._context
        keys = {port.meter.key for port in self._ports.all if port.meter.key}
        if arguments.meter is not None:
            if arguments.meter not in keys:
                raise refused("arguments.meter", f"no such meter here; seen are: {', '.join(sorted(keys)) or 'none'}")
            keys = {arguments.meter}
        if not keys:
            raise CommandFailedError("no meter is identified yet")
        began_s = context.monotonic()
        self._ports.read_now(arguments.meter)
        try:
            async with asyncio.timeout(max(0.0, limit_s - MARGIN_S)):
                while any(context.health.of(key).read_s <= began_s for key in keys):
                    await context.health.next_reading()
        except TimeoutError:
            pass
        context.bundles.flush(context.monotonic(), 0)
        readings = context.health.since(began_s)
        silent = [key for key in sorted(keys) if context.health.of(key).read_s <= began_s]
        if silent:
            why = "; ".join(f"{key}: {self._why_silent(key, began_s)}" for key in silent)
            raise CommandFailedError(f"no reading in time of {why}", {"readings": readings})
        return {"readings": readings}

    async def read_profile(self, arguments: ReadProfile, limit_s: float) -> dict[str, Any]:
        """Read a span of meters' memories; what is not read in time is read all the same, after the reply."""
        keys = [key for port in self._ports.all for key in port.polled_meters]
        if arguments.meter is not None and arguments.meter not in keys:
            raise refused("arguments.meter", f"no such meter is polled here; these are: {', '.join(keys) or 'none'}")
        asked = keys if arguments.meter is None else [arguments.meter]
        wishes = [wish for key in asked if (wish := self._history.ask(key, arguments.since, arguments.until))]
        if not wishes:
            raise refused("arguments.meter", f"no spec says how to read the memory of {', '.join(asked) or 'any'}")
        await _within(lambda: all(wish.done.is_set() for wish in wishes), limit_s)
        found = {wish.key: self._history.progress(wish) for wish in wishes}
        for wish in wishes:
            self._history.forget(wish)
        if any(wish.error for wish in wishes):
            why = "; ".join(f"{wish.key}: {wish.error}" for wish in wishes if wish.error)
            raise CommandFailedError(why, {"meters": found})
        return {"meters": found}

    async def set_meter_clock(self, arguments: SetMeterClock, limit_s: float) -> dict[str, Any]:
        """Set a meter's clock, where its spec allows it."""
        return await set_meter_clock(self._context, self._ports, arguments, limit_s)

    async def read_log(self, arguments: ReadLog, limit_s: float) -> dict[str, Any]:
        """Read the newest days of meters' event logs; what is not read in time is read when it is due."""
        keys = [key for port in self._ports.all for key in port.polled_meters]
        if arguments.meter is not None and arguments.meter not in keys:
            raise refused("arguments.meter", f"no such meter is polled here; these are: {', '.join(keys) or 'none'}")
        asked = keys if arguments.meter is None else [arguments.meter]
        wishes = [wish for key in asked if (wish := self._logs.ask(key, arguments.days))]
        if not wishes:
            raise refused("arguments.meter", f"no spec says how to read the event log of {', '.join(asked) or 'any'}")
        done = await _within(lambda: all(wish.done.is_set() for wish in wishes), limit_s)
        for wish in wishes:
            self._logs.forget(wish)
        found = {wish.key: {"entries": wish.entries, "new": wish.new} for wish in wishes}
        errors = [f"{wish.key}: {wish.error}" for wish in wishes if wish.error]
        errors += [] if done else [f"{wish.key}: not read in time" for wish in wishes if not wish.done.is_set()]
        if errors:
            raise CommandFailedError("; ".join(errors), {"meters": found})
        return {"meters": found}

    async def cancel_profile(self, arguments: CancelProfile, _limit_s: float) -> dict[str, Any]:
        """Give up what is left of spans that read_profile asked for; outages are read all the same."""
        wanted = self._history.asked_for()
        if arguments.meter is not None and arguments.meter not in wanted:
            known = ", ".join(wanted) or "none"
            raise refused("arguments.meter", f"nothing is being read of it by read_profile; of these it is: {known}")
        keys = wanted if arguments.meter is None else (arguments.meter,)
        return {"meters": {key: self._history.cancel(key) for key in keys}}

    async def publish_frames(self, arguments: PublishFrames, _limit_s: float) -> dict[str, Any]:
        """Publish each good frame raw for some minutes; a restart ends it."""
        ports = self._chosen(arguments.port)
        for port in ports:
            port.meter.raw.publish_every(arguments.minutes * 60)
        return {"ports": [port.path for port in ports], "minutes": arguments.minutes}

    async def restart(self, _arguments: Nothing, _limit_s: float) -> dict[str, Any]:
        """Say yes; the agent ends when this is sent."""
        return {"boot": self._context.outgoing.boot}

    async def flush_outbox(self, _arguments: Nothing, limit_s: float) -> dict[str, Any]:
        """Hand over to the broker what was gathered and what waits by now; receipts are not waited for."""
        context, outbox = self._context, self._outbox
        context.bundles.flush(context.monotonic(), 0)
        before, end = outbox.waiting, outbox.next_index
        await context.make_durable()
        self._live.wake.set()
        done = await _within(lambda: not any(one.index < end for one in outbox.read_after(0, 1)), limit_s)
        if not done:
            raise CommandFailedError(
                f"still waiting: {counted(outbox.waiting, 'message')}", {"waiting": outbox.waiting}
            )
        return {"handed_over": before, "waiting": outbox.waiting, "unconfirmed": outbox.unconfirmed}

    async def retry_config(self, _arguments: Nothing, _limit_s: float) -> dict[str, Any]:
        """Try the version again that was reverted."""
        verdict = await self._activation.retry()
        if verdict is None:
            raise CommandFailedError("no version was reverted")
        return {"version": verdict.version, "probation": self._context.config.trial is not None}

    def _why_silent(self, key: str, began_s: float) -> str:
        state, meter = self._context.health.of(key), self._context.config.meter(key)
        if state.heard_s <= began_s:
            return "nothing was heard"
        if meter is None or meter.spec is None:
            return "it has no spec"
        return state.failure or f"spec {meter.spec} has not come"

    def _chosen(self, path: str | None) -> tuple[Port, ...]:
        ports = tuple(port for port in self._ports.all if path in (None, port.path))
        if path is not None and not ports:
            raise refused("arguments.port", f"no such port; there are: {', '.join(self._ports.names) or 'none'}")
        return ports


def _found_at(port: Port) -> dict[str, Any]:
    """What is connected to a port; `speaks` names a protocol there that Wattline does not read, and what it needs."""
    found = {"state": port.state, "protocol": port.protocol, "meter": port.meter.key or None}
    other = port.other.found
    return found if other is None else {**found, "protocol": other.name, "speaks": other.text}


async def _within(done: Callable[[], bool], limit_s: float) -> bool:
    """Wait for something in the time of a command, less what its answer needs."""
    try:
        async with asyncio.timeout(max(0.0, limit_s - MARGIN_S)):
            while not done():
                await asyncio.sleep(CHECK_S)
    except TimeoutError:
        return False
    return True
