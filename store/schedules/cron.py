"""When a schedule is due, by the clock of its zone, and times in its arguments that are told by when it is due.

Five fields as crontab(5) has them: minute, hour, day of month, month, day of week. Where the clock is put forward, a
time that there is not is the one so much later; where it is put back, a time that comes twice is the first. But a
schedule of every hour, or every so many (`*` in the field of hours), goes on with the hours as they pass.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from broker.errors import ContractError

_FIELD: Final = r"[0-9*,/-]+"
_NAMES: Final = r"(?:[0-9*,/-]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)+"
_CRON: Final = re.compile(rf"{_FIELD} {_FIELD} {_FIELD} {_NAMES} {_NAMES}", re.IGNORECASE)
_ABOUT: Final = timedelta(hours=4)
"""No clock is put on or back by more within so short a time."""
_RELATIVE: Final = re.compile(r"\$(hour|day|month|year)(?:-(\d{1,3}))?")
FIX: Final = "write five fields: minute hour day month weekday, as `15 3 * * *` for 03:15 each day"


def check_cron(text: str) -> str:
    """An expression with single blanks between its fields. Raises ContractError."""
    plain = " ".join(text.split())
    if not _CRON.fullmatch(plain) or not croniter.is_valid(plain):
        raise ContractError(f"{text[:80]!r} is no cron expression", field="cron", fix=FIX)
    try:
        next_after(plain, "UTC", datetime(2026, 1, 1, tzinfo=UTC))
    except CroniterBadDateError as error:
        raise ContractError(f"{text[:80]!r} is never due", field="cron", fix="name a day that there is") from error
    return plain


def next_after(cron: str, zone: str, after: datetime) -> datetime:
    """The first time later than `after` (aware) at which it is due, in UTC."""
    best: datetime | None = None
    for at in _instants(cron, ZoneInfo(zone), after - _ABOUT):
        if best is not None and at > best + _ABOUT:
            break
        if at > after and (best is None or at < best):
            best = at
    if best is None:
        raise CroniterBadDateError(f"{cron} is never due")
    return best


def _instants(cron: str, zone: ZoneInfo, since: datetime) -> Iterator[datetime]:
    """Times in UTC at which it is due, by the clock's order, which is not theirs where the clock is put back."""
    hourly = cron.split()[1].startswith("*")
    for local in croniter(
        cron, since.astimezone(zone).replace(tzinfo=None), ret_type=datetime, max_years_between_matches=30
    ):
        first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        is_there = first.astimezone(zone).replace(tzinfo=None) == local
        if is_there or not hourly:
            yield first
        if hourly and is_there and second != first:
            yield second


def filled(arguments: Mapping[str, Any], due: datetime, zone: str) -> dict[str, Any]:
    """Arguments with times told by when it is due: `$day` is the midnight before, `$month-1` the month before's first.

    Words are $hour, $day, $month and $year, by the zone's clock; what is none of them stays.
    """
    local = due.astimezone(ZoneInfo(zone))
    return {name: _filled(value, local) for name, value in arguments.items()}


def _filled(value: Any, due: datetime) -> Any:
    found = _RELATIVE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    back = int(found[2] or 0)
    if found[1] == "hour":
        whole = due.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return (whole - timedelta(hours=back)).isoformat()
    day = due.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if found[1] == "day":
        # by the calendar, and then the clock of that day
        return (day - timedelta(days=back)).isoformat()
    months = day.year * 12 + day.month - 1 - back if found[1] == "month" else (day.year - back) * 12
    return day.replace(year=months // 12, month=months % 12 + 1, day=1).isoformat()
