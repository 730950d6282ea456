"""The last whole day, week or month, by the calendar of a zone. Pure functions."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from store.kinds.report import Period


@dataclass(frozen=True, slots=True)
class Span:
    """`since` <= time < `until`, in UTC; `words` say it to people."""

    since: datetime
    until: datetime
    words: str

    def on_the(self, step: timedelta) -> bool:
        """Whether it begins and ends with an interval of a roll-up, which are counted from UTC's hours."""
        return all(one.timestamp() % step.total_seconds() == 0 for one in (self.since, self.until))


def last_whole(period: Period, zone: str, before: datetime) -> Span:
    """The last one that had ended by `before` (aware); weeks begin on Monday (ISO 8601)."""
    clock = ZoneInfo(zone)
    today = before.astimezone(clock).date()
    match period:
        case "day":
            begin, end = today - timedelta(days=1), today
            words = f"{begin}"
        case "week":
            end = today - timedelta(days=today.weekday())
            begin = end - timedelta(days=7)
            year, week, _ = begin.isocalendar()
            words = f"week {week} of {year} ({begin} to {end - timedelta(days=1)})"
        case "month":
            end = today.replace(day=1)
            begin = (end - timedelta(days=1)).replace(day=1)
            words = f"{begin:%B %Y}"
    return Span(_midnight(begin, clock), _midnight(end, clock), words)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins; where its midnight is left out by the clock, the moment after."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
