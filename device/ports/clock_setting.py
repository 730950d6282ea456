"""Clocks of polled meters that a command has set: done by the port's own task, between two polls."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from broker.errors import FrameError
from broker.zones import zone_info
from device.ports.fieldbus import Fieldbus
from device.ports.line import Line, LineGoneError
from device.readings.context import Context

if TYPE_CHECKING:
    from meters.wires.dlms.client.clock_set import ClockSet

NOT_HERE: Final = "not_here"
LINE_LOST: Final = "line_lost"


@dataclass(eq=False, slots=True)
class AskedClock:
    """One asker's wish, `begun` from when its meter is visited; `done` is what came of it."""

    meter: str
    despite_zone: bool
    done: "asyncio.Future[ClockSet | FrameError]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    begun: bool = False


class ClockSettings:
    """What is to be set at one port; each is done once, or not at all where nobody waits for it before it is begun."""

    def __init__(self, context: Context, fieldbus: Fieldbus) -> None:
        self._context = context
        self._fieldbus = fieldbus
        self._wanted: list[AskedClock] = []

    @property
    def wanted(self) -> bool:
        """Whether anything waits to be set."""
        return bool(self._wanted)

    def ask(self, meter: str, *, despite_zone: bool) -> AskedClock:
        """Have a meter's clock set; askers of the same are told what came of one setting. See `forget`."""
        asked = AskedClock(meter, despite_zone)
        self._wanted.append(asked)
        return asked

    def forget(self, asked: AskedClock) -> None:
        """Nobody waits for it any more: what is not begun is not done."""
        if asked in self._wanted:
            self._wanted.remove(asked)

    async def do(self, line: Line) -> None:
        """Set the first that is wanted: the port polls before the next. Raises LineGoneError, which askers are told."""
        if not self._wanted:
            return
        first = self._wanted[0]
        same = [one for one in self._wanted if (one.meter, one.despite_zone) == (first.meter, first.despite_zone)]
        found: ClockSet | FrameError = FrameError(LINE_LOST, "the line to the meter was lost: look at its clock")
        for asked in same:
            self._wanted.remove(asked)
            asked.begun = True
        try:
            found = await self._set(line, first.meter, despite_zone=first.despite_zone)
        finally:
            for asked in same:
                if not asked.done.done():
                    asked.done.set_result(found)

    async def _set(self, line: Line, meter: str, *, despite_zone: bool) -> "ClockSet | FrameError":
        # an agent that sets no clock does without the client's memory
        from meters.wires.dlms.client.clock_set import ClockSet  # noqa: PLC0415

        context = self._context
        spec, visited = context.effective.spec_of(meter), self._fieldbus.dlms_at(meter)
        if spec is None or spec.link.dlms is None or not spec.link.dlms.set_clock or visited is None:
            return FrameError(NOT_HERE, f"{meter} is not asked here by a spec that lets its clock be set")
        station, own, optical = visited
        now = context.clock.now
        zone = context.config.parameters.time_zone or spec.time.zone
        setting = ClockSet(now, zone_info(zone) if zone else None, despite_zone)
        try:
            found = await station.visit(line, spec, own, now(), setting.plan, optical=optical, sets=True)
        except LineGoneError:
            self._tell(meter, setting, FrameError(LINE_LOST, "whether it was set is not known"))
            raise
        except FrameError as error:
            found = error
        self._tell(meter, setting, found)
        return found if isinstance(found, FrameError) else setting

    def _tell(self, meter: str, setting: "ClockSet", found: object) -> None:
        stamps = {"before": setting.before, "after": setting.after}
        told = {name: at.isoformat() for name, at in stamps.items() if at is not None}
        offs = {name: s for name, s in (("deviation_s", setting.off_s), ("left_s", setting.left_s)) if s is not None}
        event = self._context.outgoing.event
        if isinstance(found, FrameError):
            why = {"reason": found.reason, "detail": found.detail}
            event("meter_clock_not_set", "warning", meter=meter, **told, **offs, **why)
            return
        event("meter_clock_set", "info", meter=meter, **told, **offs)
