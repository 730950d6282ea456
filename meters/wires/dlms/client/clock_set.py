"""The one thing that is ever set in a meter: its clock, on a person's command.

SET of attribute 2 of 0-0:1.0.0 (IEC 62056-53 7.4, IEC 62056-62 5.4.1). Nothing else in this program writes to a meter,
and a test keeps it so.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

from broker.errors import FrameError
from meters.telegram import Frame, MeterTime
from meters.wires.dlms.axdr import read
from meters.wires.dlms.client.association import SET_RIGHT, Agreed
from meters.wires.dlms.client.reading import CLOCK, as_frame
from meters.wires.dlms.client.services import Attribute, Refused, get, refused
from meters.wires.dlms.clock import read_clock
from meters.wires.encode.dlms import clock, octets

SET, SET_ANSWER = 0xC1, 0xC5
CLOCK_TIME: Final = Attribute(CLOCK, bytes((0, 0, 1, 0, 0, 255)))
_HEAD: Final = bytes((SET, 1, 0xC1))
_SUMMER: Final = 0x80
_UNKNOWN_STATUS: Final = 0xFF
_HALF: Final = timedelta(seconds=0.5)
_HOUR_S: Final = 3600.0
ZONE_DOUBT_S: Final = 120.0
"""A clock that is this near to being whole hours off is more likely right, in another zone than it is taken for."""


@dataclass(slots=True)
class ClockSet:
    """One visit that sets a clock: `now` is the right time when it is asked, `zone` that of the meter's clock.

    Without a zone only a clock that states its deviation from UTC is set, and keeps it. A clock that is whole hours off
    is set only `despite_zone`.
    What it found and did: the meter's time `before` and `after` (aware UTC), and how many seconds the clock was ahead
    of the right time then, `off_s`, and is now, `left_s`.
    """

    now: Callable[[], datetime]
    zone: tzinfo | None
    despite_zone: bool = False
    before: datetime | None = None
    off_s: float | None = None
    after: datetime | None = None
    left_s: float | None = None

    def plan(self, agreed: Agreed) -> Generator[bytes, bytes, Frame]:
        """Read the clock, set it, read it again.

        Raises FrameError where the meter grants or takes no SET, and where its zone is not known or doubted.
        """
        if not agreed.conformance & SET_RIGHT:
            raise FrameError("meter_refused", "the meter grants this client no SET")
        raw, stated = yield from self._read()
        zone = self.zone or _own_zone(stated)
        self.before, self.off_s = self._compared(stated, zone)
        self._see_to_hours(self.off_s)
        answer = yield _HEAD + CLOCK_TIME.described + octets(self._right(raw, stated, zone))
        refused(answer, SET_ANSWER)
        if answer[1:2] != b"\x01" or len(answer) < 4:
            raise FrameError("malformed", "no answer to a SET", data=answer[:64])
        if answer[3]:
            raise FrameError("meter_refused", f"the meter does not let its clock be set: {Refused(answer[3])}")
        raw, stated = yield from self._read()
        self.after, self.left_s = self._compared(stated, zone)
        return as_frame({CLOCK_TIME: raw})

    def _read(self) -> Generator[bytes, bytes, tuple[bytes, MeterTime]]:
        (got,) = yield from get(CLOCK_TIME)
        if isinstance(got, Refused):
            raise FrameError("meter_refused", f"the meter does not tell its clock: {got}")
        node, _ = read(got, 0)
        stated = read_clock(node) if isinstance(node, bytes) else None
        if stated is None:
            raise FrameError("meter_refused", f"the meter's clock states no time: {got.hex()}")
        return got, stated

    def _see_to_hours(self, off_s: float) -> None:
        hours = round(off_s / _HOUR_S)
        if hours and abs(off_s - hours * _HOUR_S) <= ZONE_DOUBT_S and not self.despite_zone:
            raise FrameError(
                "zone_doubted",
                f"the clock is {off_s:+.0f} s off, about {hours:+d} h: its zone is probably another than is known. "
                "Nothing was set; state the right zone (parameter time_zone or the spec's time.zone), or insist by "
                "despite_zone: true",
            )

    def _compared(self, stated: MeterTime, zone: tzinfo) -> tuple[datetime, float]:
        """The meter's time, which has whole seconds, and how far it is ahead."""
        now = self.now()
        local = stated.local.replace(tzinfo=zone)
        passes = [local.replace(fold=fold).astimezone(UTC) for fold in ((0, 1) if stated.dst is None else (0,))]
        at = stated.at or min(passes, key=lambda one: abs(one - now))
        return at, round((at + _HALF - now).total_seconds(), 1)

    def _right(self, raw: bytes, stated: MeterTime, zone: tzinfo) -> bytes:
        """The right time to the second, with the deviation from UTC where the meter states one.

        A clock whose stated deviation is not that of the zone, as one that is kept in UTC, goes on with its own.
        """
        now = self.now() + _HALF
        if stated.at is not None and stated.at.astimezone(zone).replace(tzinfo=None) != stated.local:
            local = now.astimezone(_own_zone(stated)).replace(microsecond=0)
            summer = raw[-1] & _SUMMER if raw[-1] != _UNKNOWN_STATUS else 0
        else:
            local = now.astimezone(zone).replace(microsecond=0)
            summer = _SUMMER if local.dst() else 0
        naive = local.replace(tzinfo=None)
        if stated.at is None:
            return clock(naive, status=summer)
        offset = local.utcoffset() or timedelta(0)
        return clock(naive, -int(offset.total_seconds() // 60), summer)


def _own_zone(stated: MeterTime) -> tzinfo:
    """The deviation from UTC that a clock states itself. Raises FrameError where it states none."""
    if stated.at is None:
        raise FrameError(
            "zone_unknown",
            "the meter's clock states no deviation from UTC, and nobody says its zone: nothing was set; set the "
            "parameter time_zone, or time.zone in its spec",
        )
    return timezone(stated.local - stated.at.replace(tzinfo=None))
