"""The event logs of a DLMS meter read over its line, each in a visit of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from broker.errors import FrameError
from broker.zones import zone_info
from device.ports.dlms_station import DlmsStation, Secrets
from device.ports.line import Line
from device.ports.log_reader import ReadLog
from meters.specs.spec import Spec
from meters.wires.dlms.client.event_log import event_log
from meters.wires.iec62056_programming import REFUSED
from meters.wires.meter_key import KeyNeededError
from meters.wires.readers import parse


@dataclass(frozen=True, slots=True)
class DlmsLogReader:
    """Reads the profile generics that a spec names as logs; `zone` as of DlmsProfileReader.

    `newest`: so many entries of a meter that refuses ranges.
    """

    station: DlmsStation
    spec: Spec
    own: Secrets
    now: Callable[[], datetime]
    zone: str
    optical: bool
    newest: int

    async def read(self, line: Line, since: datetime, until: datetime) -> tuple[ReadLog, ...] | FrameError:
        """See LogReader. A log that the meter refuses is left out where it gives another one."""
        section = self.spec.event_log
        if section is None or section.method != "profile_generic":
            return FrameError(REFUSED, f"{self.spec.ref} says no event log that is read by DLMS")
        zone = zone_info(section.zone or self.zone or self.spec.time.zone or "UTC")
        found: list[ReadLog] = []
        refused: FrameError | None = None
        for name in section.logs:
            plan = partial(
                event_log, start_at=since, end_at=until, zone=zone, name=name, who=self.station.known.identifying,
                newest=self.newest,
            )  # fmt: skip
            try:
                frame = await self.station.visit(line, self.spec, self.own, self.now(), plan, optical=self.optical)
                if isinstance(frame, FrameError):
                    raise frame
                telegram = parse(frame)
                found.append(ReadLog(name, telegram.profile, telegram))
            except KeyNeededError as error:
                return FrameError(REFUSED, error.detail)
            except FrameError as error:
                if error.reason != REFUSED:
                    return error
                refused = error
        return tuple(found) if found or refused is None else refused
