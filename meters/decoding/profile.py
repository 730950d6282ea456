"""The rows of a load profile: when each interval ended, and what the status word of one says. Pure functions."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from broker.zones import zone_info
from meters.decoding.meter_time import WallClock, instant, offsets
from meters.specs.event_log import EventLog
from meters.specs.sections import History
from meters.specs.stamps import write_stamp
from meters.telegram import ProfileRow

STATUS_CODES: Final = {"p.01": "1-0:96.10.1", "p.02": "1-0:96.10.2", "profile_generic": "1-0:96.10.1"}
"""The status of a load profile's interval (IEC 62056-6-1, AMR profile status), by the method."""
_WORD: Final = re.compile(r"[0-9A-Fa-f]{1,8}")


def interval_ends(
    rows: Sequence[ProfileRow], history: History | None, zone: str | None, since: datetime | None = None
) -> Iterator[datetime | None]:
    """When each interval ended, aware UTC; None where its stamp is no time.

    `zone` is that of the telegram's stamps; the profile's own counts before it. Rows come in the order of their times,
    so that a naive stamp in the hour that occurs twice is the pass that follows the row before; the first one's is the
    pass that is nearer to `since`, where that is known.
    """
    own = (history.zone if history is not None else None) or zone
    late = timedelta(seconds=history.capture_period_s) if history is not None and history.label == "start" else None
    near = since
    for row in rows:
        after = timedelta(seconds=row.after_s)
        stamp = row.at if row.first is None else row.first
        at = instant(stamp, WallClock(own, None if near is None else near - after))
        if at is None:
            yield None
            continue
        near = at + after
        yield near if late is None else near + late


def kept_at(row: ProfileRow, day: str | None, clock: WallClock) -> datetime | None:
    """When the values of a row that a telegram carries of before were kept, aware UTC; None where nobody knows.

    `day` says at which end of it where the stamp is a day alone. A date to come is one at which nothing was kept yet.
    """
    if not row.kept or (row.kept == "day" and day is None):
        return None
    stamp = row.at
    if row.kept == "day" and day == "end":
        stamp = replace(stamp, local=stamp.local + timedelta(days=1))
    # the receipt says nothing of which pass of an hour that occurs twice it was
    at = instant(stamp, WallClock(clock.zone))
    return None if at is None or (clock.near is not None and at > clock.near) else at


def profile_request(history: History, since: datetime, until: datetime, zone: str | None) -> str:
    """The data set with its range in brackets, as the meter is asked for it: `P.01(2611231000;2611241000)`.

    `zone` is that of the telegram's stamps, UTC where nobody states one.
    """
    if history.label == "start":
        # the interval that ends after `since` began a period earlier
        since -= timedelta(seconds=history.capture_period_s)
        until -= timedelta(seconds=history.capture_period_s)
    return _request(history, since, until, zone)


def log_request(section: EventLog, since: datetime, until: datetime, zone: str | None) -> str:
    """An event log with its range, as the meter is asked for it: `P.98(2611231000;2611241000)`."""
    return _request(section, since, until, zone)


def _request(section: History | EventLog, since: datetime, until: datetime, zone: str | None) -> str:
    stamps = (_as_asked(at, section, section.zone or zone or "UTC") for at in (since, until))
    return f"{section.method.upper()}({';'.join(stamps)})"


def _as_asked(at: datetime, history: History | EventLog, zone: str) -> str:
    if history.stamps_in == "utc":
        return write_stamp(at.astimezone(UTC), history.stamp, "2")
    local = at.astimezone(zone_info(zone))
    winter, _ = offsets(zone, local.year)
    summer = local.utcoffset() != winter
    if summer and history.stamps_in == "standard":
        local, summer = (at.astimezone(UTC) + winter), False
    return write_stamp(local, history.stamp, "1" if summer else "0")


def status_word(text: str) -> Decimal | None:
    """A status word in hex as a number; None where it is none."""
    return Decimal(int(text, 16)) if _WORD.fullmatch(text) else None
