"""What is noted of a batch for outputs: each series' times, what is of other hours apart."""

from datetime import UTC, datetime, timedelta

from ingestor.batches.rows import READING, micros
from ingestor.writing.spans import spans

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)


def packed(*rows: tuple[int, int]) -> bytes:
    times = ((micros(AT + timedelta(minutes=minutes)), series) for series, minutes in rows)
    return b"".join(READING.pack(4, 8, at_us, 8, 1.0, 4, series, 2, 1) for at_us, series in times)


def test_series_of_one_hour_are_one_span_and_a_backlog_another() -> None:
    """A device that sends its outbox beside live readings does not make a span of days of them."""
    found = spans(packed((1, 0), (2, 10), (1, 20), (3, -600), (4, -1200), (4, 5)))
    assert sorted(found) == [
        (AT - timedelta(minutes=1200), AT - timedelta(minutes=1200), [4]),
        (AT - timedelta(minutes=600), AT - timedelta(minutes=600), [3]),
        (AT, AT + timedelta(minutes=20), [1, 2, 4]),
    ]
    assert spans(b"") == []


def test_a_reading_of_years_ago_beside_one_of_now_is_no_span_of_years() -> None:
    """Or outputs would give all of that series' history again, with each batch of a device that does so."""
    years = 60 * 24 * 365 * 20
    assert sorted(spans(packed((1, -years), (1, 0)))) == [
        (AT - timedelta(minutes=years), AT - timedelta(minutes=years), [1]),
        (AT, AT, [1]),
    ]
