"""When schedules are due, also over a change of the clock."""

from datetime import UTC, datetime, timedelta

import pytest

from broker.errors import ContractError
from store.schedules.cron import check_cron, filled, next_after

WARSAW = "Europe/Warsaw"


def due(cron: str, after: str, count: int, zone: str = WARSAW) -> list[str]:
    """The next so many times, in UTC."""
    found, at = [], datetime.fromisoformat(after)
    for _ in range(count):
        at = next_after(cron, zone, at)
        found.append(f"{at:%d %H:%M}")
    return found


def test_a_time_that_there_is_not_is_later_and_one_that_comes_twice_is_the_first() -> None:
    """Once each day, in spring and in autumn."""
    assert due("30 2 * * *", "2026-03-27T12:00+00:00", 3) == ["28 01:30", "29 01:30", "30 00:30"]
    assert due("30 2 * * *", "2026-10-23T12:00+00:00", 3) == ["24 00:30", "25 00:30", "26 01:30"]


def test_each_hour_passes_once_whatever_the_clock_says() -> None:
    """No hour is left out, and none is doubled."""
    for day in ("2026-03-29", "2026-10-25"):
        start = datetime.fromisoformat(f"{day}T00:10+00:00")
        wanted = [f"{start.replace(minute=0) + timedelta(hours=n):%d %H:%M}" for n in range(1, 6)]
        assert due("0 * * * *", start.isoformat(), 5) == wanted
        quarters = [f"{start.replace(minute=0) + timedelta(minutes=15 * n):%d %H:%M}" for n in range(1, 13)]
        assert due("*/15 * * * *", start.isoformat(), 12) == quarters


def test_months_weekdays_and_zones() -> None:
    """By the clock of the zone."""
    assert due("0 0 1 * *", "2026-01-15T00:00+00:00", 2) == ["31 23:00", "28 23:00"]
    assert due("15 6 * * mon-fri", "2026-01-02T12:00+00:00", 1, "UTC") == ["05 06:15"]
    assert due("0 0 * * *", "2026-01-01T12:00+00:00", 1, "Asia/Kolkata") == ["01 18:30"]
    assert check_cron("  0   0 29 2 * ") == "0 0 29 2 *"


@pytest.mark.parametrize(
    "cron", ["", "* * * *", "61 * * * *", "0 0 30 2 *", "* * * * * *", "@daily", "R R * * *", "0 0 L * *", "soon"]
)
def test_what_is_no_cron_is_refused_with_a_fix(cron: str) -> None:
    """The field is named, and what would do."""
    with pytest.raises(ContractError) as refused:
        check_cron(cron)
    assert refused.value.field == "cron"
    assert refused.value.fix


def test_times_before_it_is_due() -> None:
    """By the calendar of the zone; all else stays."""
    at = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    asked = {"a": "$day", "b": "$day-1", "c": "$month-1", "d": "$year", "e": "$hour-2", "f": "$days", "g": 5}
    assert filled(asked, at, WARSAW) == {
        "a": "2026-03-29T00:00:00+01:00", "b": "2026-03-28T00:00:00+01:00", "c": "2026-02-01T00:00:00+01:00",
        "d": "2026-01-01T00:00:00+01:00", "e": "2026-03-28T23:00:00+00:00", "f": "$days", "g": 5,
    }  # fmt: skip
