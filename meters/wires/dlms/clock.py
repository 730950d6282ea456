"""Date and time of DLMS in twelve octets (IEC 62056-6-2 4.1.6.1), with deviation from UTC and clock status."""

from datetime import UTC, datetime, timedelta
from typing import Final

from meters.telegram import MeterTime

BYTES: Final = 12
_UNKNOWN_DEVIATION: Final = -0x8000
_MOST_MIN: Final = 14 * 60
_UNKNOWN_STATUS: Final = 0xFF
_SUMMER: Final = 0x80


def read_clock(octets: bytes) -> MeterTime | None:
    """A stamp; None for what is no time, or is not stated in full.

    Landis+Gyr E450 call a right time invalid (status 0x81), so these bits count for nothing: a clock that is wrong is
    found by comparison with the device's. The deviation says how many minutes to add for UTC (-60 in Central Europe's
    winter), and then `at` is known. Without it only the summer bit tells of the offset, and only where it is set: many
    meters that keep summer time never set it.
    """
    if len(octets) != BYTES:
        return None
    status = octets[11]
    hour, minute, second = octets[5], octets[6], octets[7] if octets[7] != 0xFF else 0
    try:
        local = datetime(int.from_bytes(octets[:2]), octets[2], octets[3], hour, minute, second)  # noqa: DTZ001 - wall clock
        deviation_min = int.from_bytes(octets[9:11], signed=True)
        if deviation_min == _UNKNOWN_DEVIATION or abs(deviation_min) > _MOST_MIN:
            summer = status != _UNKNOWN_STATUS and bool(status & _SUMMER)
            return MeterTime(local, dst=True if summer else None)
        return MeterTime(local, None, (local + timedelta(minutes=deviation_min)).replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
