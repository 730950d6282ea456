"""The command set_meter_clock: who may, what it tells, and when it is refused."""

import asyncio
from typing import Any, Final

from broker.contract.commands import SetMeterClock, refused
from broker.contract.messages import Clock
from broker.errors import FrameError
from device.commands.execution import CommandFailedError
from device.ports.supervisor import Ports
from device.readings.context import Context

MARGIN_S: Final = 0.5
LEFT_S: Final = 5.0
"""A clock that is further off than this after it was set was not set."""


async def set_meter_clock(context: Context, ports: Ports, arguments: SetMeterClock, limit_s: float) -> dict[str, Any]:
    """Set the clock of one polled meter whose spec allows it. Raises CommandRefusedError, CommandFailedError."""
    key = arguments.meter
    port = next((port for port in ports.all if key in port.polled_meters), None)
    if port is None:
        polled = ", ".join(one for each in ports.all for one in each.polled_meters) or "none"
        raise refused("arguments.meter", f"no such meter is polled here; these are: {polled}")
    spec = context.effective.spec_of(key)
    asked = spec.link.dlms if spec is not None else None
    if spec is None or asked is None or not asked.set_clock:
        named = spec.ref if spec is not None else "a meter without a spec"
        raise refused("arguments.meter", f"{named} does not allow it: that takes link.dlms with set_clock: true")
    if context.clock.trust() is not Clock.SYNCED and not context.clock.checked:
        raise CommandFailedError("nobody vouches for this device's own clock: neither NTP nor the platform")
    setting = port.clocks.ask(key, despite_zone=arguments.despite_zone)
    port.meter.read_now()
    try:
        await asyncio.wait({setting.done}, timeout=max(0.0, limit_s - MARGIN_S))
    finally:
        port.clocks.forget(setting)
    if not setting.done.done():
        if setting.begun:
            raise CommandFailedError("begun, outcome unknown: see event meter_clock_set (or meter_clock_not_set)")
        raise CommandFailedError(f"the port did not come to it in time, and nothing is set: {port.state}")
    found = setting.done.result()
    if isinstance(found, FrameError):
        raise CommandFailedError(f"{found.reason}: {found.detail}")
    result = {
        "meter": key,
        "before": found.before.isoformat() if found.before else None,
        "after": found.after.isoformat() if found.after else None,
        "deviation_s": found.off_s,
        "left_s": found.left_s,
    }
    if found.left_s is None or abs(found.left_s) > LEFT_S:
        raise CommandFailedError("the meter took it, and its clock is off all the same", result)
    return result
