"""Times of load profiles: requests in each form, naive stamps over changes of summer time, labels at either end."""

from datetime import UTC, datetime, timedelta

import pytest

from meters.decoding.profile import interval_ends, profile_request, status_word
from meters.specs.sections import History
from meters.telegram import MeterTime, ProfileRow

BERLIN = "Europe/Berlin"
SUMMER, WINTER = datetime(2026, 7, 1, 10, 30, tzinfo=UTC), datetime(2026, 11, 23, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("section", "zone", "asked"),
    [
        ({}, BERLIN, "P.01(22607011030;22611231030)"),
        ({"stamps_in": "local"}, BERLIN, "P.01(12607011230;02611231130)"),
        ({"stamps_in": "standard"}, BERLIN, "P.01(02607011130;02611231130)"),
        ({"stamps_in": "local", "zone": "Etc/GMT-1"}, BERLIN, "P.01(02607011130;02611231130)"),
        ({"stamps_in": "local", "stamp": "YYMMDDhhmmss", "method": "p.02"}, None, "P.02(260701103000;261123103000)"),
    ],
)
def test_how_a_range_is_asked_for(section: dict[str, str], zone: str | None, asked: str) -> None:
    """UTC, the zone's time with its season, or its winter time all the year; with the spec's own layout."""
    assert profile_request(History.model_validate(section), SUMMER, WINTER, zone) == asked


def naive(*clock: int, after_s: int = 0, first: tuple[int, ...] | None = None) -> ProfileRow:
    """A row by a wall clock without season; `first` where its block says so."""
    at = MeterTime(datetime(2026, 10, *clock))  # type: ignore[arg-type]  # noqa: DTZ001
    return ProfileRow(at, (), "", MeterTime(datetime(2026, 10, *first)) if first else None, after_s)  # type: ignore[arg-type]  # noqa: DTZ001


def test_rows_of_one_header_count_on_in_true_time() -> None:
    """A block that begins before the end of summer time goes on by the quarter-hour, whatever the wall clock did."""
    rows = [naive(25, 2, 45, first=(25, 2, 45), after_s=900 * step) for step in range(6)]
    began = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)
    ends = list(interval_ends(rows, History(), BERLIN))
    assert ends == [began + timedelta(minutes=15) * step for step in range(6)]


def test_a_naive_stamp_in_the_hour_that_occurs_twice_follows_the_row_before() -> None:
    """Rows with a stamp each go through the first pass and then the second."""
    clocks = [(1, 45), (2, 0), (2, 15), (2, 30), (2, 45), (2, 0), (2, 15), (2, 30), (2, 45), (3, 0)]
    rows = [naive(25, *clock) for clock in clocks]
    began = datetime(2026, 10, 24, 23, 45, tzinfo=UTC)
    assert list(interval_ends(rows, History(), BERLIN)) == [began + timedelta(minutes=15) * n for n in range(10)]


def test_start_labels_and_a_zone_of_the_memory_s_own() -> None:
    """An interval ends a period after its start; a memory in standard time is not moved by summer time."""
    rows = [ProfileRow(MeterTime(datetime(2026, 7, 1, 11, 30)), ())]  # noqa: DTZ001
    by = History.model_validate({"label": "start", "zone": "Etc/GMT-1", "capture_period_s": 1800})
    assert list(interval_ends(rows, by, BERLIN)) == [SUMMER + timedelta(minutes=30)]
    never = [ProfileRow(MeterTime(datetime(2000, 1, 1)), ())]  # noqa: DTZ001
    assert list(interval_ends(never, None, BERLIN)) == [None]


def test_status_words() -> None:
    """Hex of up to 32 bits; anything else is none."""
    assert [status_word(text) for text in ("80", "00000000", "", "xyz", "123456789")] == [128, 0, None, None, None]


def test_a_slice_that_begins_in_the_second_pass_is_not_taken_for_the_first() -> None:
    """Where it was asked from is known, and the first row follows it."""
    since = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
    rows = [naive(25, 2, 15), naive(25, 2, 30), naive(25, 3, 0)]
    ends = list(interval_ends(rows, History(), BERLIN, since))
    assert ends == [since + timedelta(minutes=minutes) for minutes in (15, 30, 60)]


def test_a_memory_that_names_beginnings_is_asked_for_them() -> None:
    """The first interval that ended after the range's beginning had begun before it."""
    by = History.model_validate({"label": "start", "capture_period_s": 900})
    assert profile_request(by, SUMMER, WINTER, BERLIN) == "P.01(22607011015;22611231015)"
