"""Which day, week or month a report is about."""

from datetime import UTC, datetime, timedelta

import pytest

from ingestor.reports.period import last_whole
from store.kinds.report import Period


@pytest.mark.parametrize(
    ("period", "zone", "before", "since", "until", "words"),
    [
        ("day", "UTC", "2026-03-10T00:00Z", "2026-03-09T00:00Z", "2026-03-10T00:00Z", "2026-03-09"),
        ("day", "UTC", "2026-03-09T23:59Z", "2026-03-08T00:00Z", "2026-03-09T00:00Z", "2026-03-08"),
        ("day", "Europe/Warsaw", "2026-03-29T23:00Z", "2026-03-28T23:00Z", "2026-03-29T22:00Z", "2026-03-29"),
        ("day", "Asia/Kolkata", "2026-03-10T12:00Z", "2026-03-08T18:30Z", "2026-03-09T18:30Z", "2026-03-09"),
        ("week", "UTC", "2026-01-05T00:00Z", "2025-12-29T00:00Z", "2026-01-05T00:00Z",
         "week 1 of 2026 (2025-12-29 to 2026-01-04)"),
        ("week", "UTC", "2026-01-04T23:59Z", "2025-12-22T00:00Z", "2025-12-29T00:00Z",
         "week 52 of 2025 (2025-12-22 to 2025-12-28)"),
        ("month", "Europe/Warsaw", "2026-11-15T00:00Z", "2026-09-30T22:00Z", "2026-10-31T23:00Z", "October 2026"),
        ("month", "UTC", "2026-01-01T00:00Z", "2025-12-01T00:00Z", "2026-01-01T00:00Z", "December 2025"),
    ],
)  # fmt: skip
def test_the_last_whole_one_by_the_zones_calendar(
    period: Period, zone: str, before: str, since: str, until: str, words: str
) -> None:
    """Also where the clock is put on or back within it, over a year's end, and just as it has ended."""
    found = last_whole(period, zone, datetime.fromisoformat(before))
    expected = tuple(datetime.fromisoformat(one).astimezone(UTC) for one in (since, until))
    assert (found.since, found.until, found.words) == (*expected, words)


def test_hours_of_utc_are_those_of_most_zones_but_not_of_all() -> None:
    """Only a time that begins and ends with an interval of a roll-up can be told by it."""
    at = datetime(2026, 3, 10, 12, tzinfo=UTC)
    hour, quarter = timedelta(hours=1), timedelta(minutes=15)
    assert last_whole("day", "Europe/Warsaw", at).on_the(hour)
    assert not last_whole("day", "Asia/Kolkata", at).on_the(hour)
    assert last_whole("day", "Asia/Kathmandu", at).on_the(quarter)
