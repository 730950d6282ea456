"""Clocks of polled meters that a command has set: done by the port's own task, between two polls."""

import asyncio
from typing import TYPE_CHECKING, Final

from broker.errors import FrameError
from broker.zones import zone_info
from device.ports.fieldbus import Fieldbus
from device.ports.line import Line
from device.readings.context import Context

if TYPE_CHECKING:
    from meters.wires.dlms.client.clock_set import ClockSet

NOT_HERE: Final = "not_here"


class ClockSettings:
    """What is to be set at one port; each is done once, or not at all once nobody waits for it any more."""

    def __init__(self, context: Context, fieldbus: Fieldbus) -> None:
        self._context = context
        self._fieldbus = fieldbus
        self._wanted: dict[str, asyncio.Future[ClockSet | FrameError]] = {}

    def ask(self, meter: str) -> "asyncio.Future[ClockSet | FrameError]":
        """Have a meter's clock set; what came of it. A second asker of the same moment is given the first one's."""
        return self._wanted.setdefault(meter, asyncio.get_running_loop().create_future())

    async def do(self, line: Line) -> None:
        """Set what is wanted. Raises LineGoneError, which those who wait are told, too."""
        while self._wanted:
            meter, asked = self._wanted.popitem()
            if asked.done():
                continue
            try:
                found = await self._set(line, meter)
            except BaseException:
                asked.cancel()
                raise
            if not asked.done():
                asked.set_result(found)

    async def _set(self, line: Line, meter: str) -> "ClockSet | FrameError":
        # an agent that sets no clock does without the client's memory
        from meters.wires.dlms.client.clock_set import ClockSet  # noqa: PLC0415

        context = self._context
        spec, visited = context.effective.spec_of(meter), self._fieldbus.dlms_at(meter)
        if spec is None or spec.link.dlms is None or not spec.link.dlms.set_clock or visited is None:
            return FrameError(NOT_HERE, f"{meter} is not asked here by a spec that lets its clock be set")
        station, own, optical = visited
        now = context.clock.now
        setting = ClockSet(now, zone_info(context.config.parameters.time_zone or spec.time.zone or "UTC"))
        found = await station.visit(line, spec, own, now(), setting.plan, optical=optical, sets=True)
        if setting.before is not None and setting.off_s is not None:
            self._tell(meter, setting, found)
        return found if isinstance(found, FrameError) else setting

    def _tell(self, meter: str, setting: "ClockSet", found: object) -> None:
        stamps = {"before": setting.before, "after": setting.after}
        told = {name: at.isoformat() for name, at in stamps.items() if at is not None}
        event = self._context.outgoing.event
        if isinstance(found, FrameError):
            why = {"reason": found.reason, "detail": found.detail}
            event("meter_clock_not_set", "warning", meter=meter, deviation_s=setting.off_s, **told, **why)
            return
        event("meter_clock_set", "info", meter=meter, deviation_s=setting.off_s, left_s=setting.left_s, **told)
