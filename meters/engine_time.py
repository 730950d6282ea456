"""Meter stamps into instants: season flags and naive wall-clock times by the spec's zone, or by its format."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from meters.spec_sections import TimeRule
from meters.spec_stamps import parse_stamp
from meters.telegram import MeterTime, Record, Telegram

EARLIEST: Final = datetime(2000, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(2069, 12, 31, tzinfo=UTC)
"""Stamps outside come from clocks that were never set: 1970 and 2000-01-01 are what such clocks show."""


@lru_cache(maxsize=512)
def _offsets(zone: str, year: int) -> tuple[timedelta, timedelta]:
    """Winter and summer offset of a zone in a year; equal where it has no summer time."""
    # The smaller offset is winter's on both hemispheres; Dublin's negative dst() would mislead here.
    tz = ZoneInfo(zone)
    found = [datetime(year, month, 15, tzinfo=tz).utcoffset() or timedelta() for month in (1, 7)]
    return min(found), max(found)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def instant(stamp: MeterTime | None, zone: str | None) -> datetime | None:
    """The aware UTC instant of a stamp; None where there is none, or its clock was never set.

    A season flag is the zone's own winter or summer offset (Irish W is UTC, Dutch W is +01:00). A naive stamp in the
    hour that occurs twice is taken as its first pass.
    """
    if stamp is None:
        return None
    at = stamp.at
    try:
        if zone is not None and stamp.dst is not None:
            winter, summer = _offsets(zone, stamp.local.year)
            at = (stamp.local - (summer if stamp.dst else winter)).replace(tzinfo=UTC)
        elif at is None and zone is not None:
            at = stamp.local.replace(tzinfo=_zone(zone)).astimezone(UTC)
    except (OverflowError, ValueError):
        return None
    return at if at is not None and EARLIEST <= at <= LATEST else None


def telegram_time(rule: TimeRule, telegram: Telegram) -> datetime | None:
    """The meter's own time of a telegram as its spec's time section says, None where it has none."""
    first = rule.source[0]
    if first == "device":
        return None
    if first == "telegram":
        return instant(telegram.time, rule.zone)
    found = {record.address: record for record in reversed(telegram.records) if record.address in rule.source}
    if len(found) < len(rule.source):
        return None
    stamped = found[first].at
    if stamped is not None:
        return instant(stamped, rule.zone)
    parts = (rule.format or "").split("|")
    texts = [_text(found[address], part) for address, part in zip(rule.source, parts, strict=False)]
    return instant(parse_stamp("|".join(texts), rule.format or ""), rule.zone)


def _text(record: Record, part: str) -> str:
    value = record.value
    if isinstance(value, Decimal):
        # Readers give digits as a number, which drops leading zeros: 021113 stands as 21113.
        return str(value).zfill(len(part))
    return value.decode("latin-1") if isinstance(value, bytes) else value or ""
