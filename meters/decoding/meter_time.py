"""Meter stamps into instants: season flags and naive wall-clock times by the spec's zone, or by its format."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from broker.zones import zone_info
from meters.specs.sections import TimeRule
from meters.specs.stamps import parse_stamp
from meters.telegram import MeterTime, Record, Telegram, Wire

EARLIEST: Final = datetime(2000, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(2069, 12, 31, tzinfo=UTC)
"""Stamps outside come from clocks that were never set: 1970 and 2000-01-01 are what such clocks show."""

_UTC: Final = ("UTC", "Etc/UTC")


@lru_cache(maxsize=512)
def offsets(zone: str, year: int) -> tuple[timedelta, timedelta]:
    """Winter and summer offset of a zone in a year; equal where it has no summer time."""
    # The smaller offset is winter's on both hemispheres; Dublin's negative dst() would mislead here.
    tz = zone_info(zone)
    found = [datetime(year, month, 15, tzinfo=tz).utcoffset() or timedelta() for month in (1, 7)]
    return min(found), max(found)


@dataclass(frozen=True, slots=True)
class WallClock:
    """What a meter's wall-clock stamps mean: the IANA zone that they are in, and when the telegram was received."""

    zone: str | None = None
    near: datetime | None = None


def wall_clock(rule: TimeRule, telegram: Telegram, zone: str, near: datetime | None) -> WallClock:
    """The site's zone before the spec's own, '' where the site states none.

    SML states offsets itself, and a meter that keeps UTC keeps it everywhere.
    """
    own = telegram.protocol is Wire.SML or rule.zone in _UTC
    return WallClock(rule.zone if own or not zone else zone, near)


def instant(stamp: MeterTime | None, clock: WallClock) -> datetime | None:
    """The aware UTC instant of a stamp; None where there is none, or its clock was never set.

    A season flag is the zone's own winter or summer offset (Irish W is UTC, Dutch W is +01:00). A naive stamp in the
    hour that occurs twice is the pass nearer to the receipt, the first one where no receipt is known.
    """
    if stamp is None:
        return None
    at, zone = stamp.at, clock.zone
    try:
        if zone is not None and stamp.dst is not None:
            winter, summer = offsets(zone, stamp.local.year)
            at = (stamp.local - (summer if stamp.dst else winter)).replace(tzinfo=UTC)
        elif at is None and zone is not None:
            at = _nearest(stamp.local, zone_info(zone), clock.near)
    except (OverflowError, ValueError):
        return None
    return at if at is not None and EARLIEST <= at <= LATEST else None


def _nearest(local: datetime, zone: ZoneInfo, near: datetime | None) -> datetime:
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return second if near is not None and abs(second - near) < abs(first - near) else first


def telegram_time(rule: TimeRule, telegram: Telegram, clock: WallClock) -> datetime | None:
    """The meter's own time of a telegram as its spec's time section says, None where it has none."""
    first = rule.source[0]
    if first == "device":
        return None
    if first == "telegram":
        return instant(telegram.time, clock)
    found = {record.address: record for record in reversed(telegram.records) if record.address in rule.source}
    if len(found) < len(rule.source):
        return None
    stamped = found[first].at
    if stamped is not None:
        return instant(stamped, clock)
    parts = (rule.format or "").split("|")
    texts = [_text(found[address], part) for address, part in zip(rule.source, parts, strict=False)]
    return instant(parse_stamp("|".join(texts), rule.format or ""), clock)


def _text(record: Record, part: str) -> str:
    value = record.value
    if isinstance(value, Decimal):
        # Readers give digits as a number, which drops leading zeros: 021113 stands as 21113.
        return str(value).zfill(len(part))
    return value.decode("latin-1") if isinstance(value, bytes) else value or ""
