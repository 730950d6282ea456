"""The one thing that is ever set in a meter: its clock, on a person's command.

SET of attribute 2 of 0-0:1.0.0 (IEC 62056-53 7.4, IEC 62056-62 5.4.1). Nothing else in this program writes to a meter,
and a test keeps it so.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
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
_HALF: Final = timedelta(seconds=0.5)


@dataclass(slots=True)
class ClockSet:
    """One visit that sets a clock: `now` is the right time when it is asked, `zone` that of the meter's clock.

    What it found and did: the meter's time `before` and `after` (aware UTC), and how many seconds the clock was ahead
    of the right time then, `off_s`, and is now, `left_s`.
    """

    now: Callable[[], datetime]
    zone: tzinfo
    before: datetime | None = None
    off_s: float | None = None
    after: datetime | None = None
    left_s: float | None = None

    def plan(self, agreed: Agreed) -> Generator[bytes, bytes, Frame]:
        """Read the clock, set it, read it again. Raises FrameError where the meter grants or takes no SET."""
        if not agreed.conformance & SET_RIGHT:
            raise FrameError("meter_refused", "the meter grants this client no SET")
        _, stated = yield from self._read()
        self.before, self.off_s = self._compared(stated)
        answer = yield _HEAD + CLOCK_TIME.described + octets(self._right(stated))
        refused(answer, SET_ANSWER)
        if answer[1:2] != b"\x01" or len(answer) < 4:
            raise FrameError("malformed", "no answer to a SET", data=answer[:64])
        if answer[3]:
            raise FrameError("meter_refused", f"the meter does not let its clock be set: {Refused(answer[3])}")
        raw, stated = yield from self._read()
        self.after, self.left_s = self._compared(stated)
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

    def _compared(self, stated: MeterTime) -> tuple[datetime, float]:
        """The meter's time, which has whole seconds, and how far it is ahead."""
        now = self.now()
        local = stated.local.replace(tzinfo=self.zone)
        passes = [local.replace(fold=fold).astimezone(UTC) for fold in ((0, 1) if stated.dst is None else (0,))]
        at = stated.at or min(passes, key=lambda one: abs(one - now))
        return at, round((at + _HALF - now).total_seconds(), 1)

    def _right(self, stated: MeterTime) -> bytes:
        """The right time to the second, with the deviation from UTC where the meter states one."""
        local = (self.now() + _HALF).astimezone(self.zone).replace(microsecond=0)
        summer = _SUMMER if local.dst() else 0
        naive = local.replace(tzinfo=None)
        if stated.at is None:
            return clock(naive, status=summer)
        offset = local.utcoffset() or timedelta(0)
        return clock(naive, -int(offset.total_seconds() // 60), summer)
