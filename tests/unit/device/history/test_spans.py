"""Spans of history: what was missed, what is wanted once, what is left after a slice, and how long a slice may be."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.history.spans import (
    FIRST_SLICE_S,
    LONGEST_SLICE_S,
    NOTHING_OLDER_S,
    SHORTEST_SLICE_S,
    SPANS_MAX,
    Span,
    added,
    exhausted,
    missed,
    next_slice,
    next_slice_s,
    within,
    without,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def span(since_h: float, until_h: float, read: int = 0) -> Span:
    """A span by hours after noon."""
    return Span(NOON + timedelta(hours=since_h), NOON + timedelta(hours=until_h), "command", read)


def hours(spans: tuple[Span, ...]) -> set[int]:
    """The whole hours after noon that are wanted."""
    return {
        hour
        for one in spans
        for hour in range(
            round((one.since - NOON).total_seconds() / 3600), round((one.until - NOON).total_seconds() / 3600)
        )
    }


def test_what_was_missed() -> None:
    """At first as far back as is set, then each silence that is longer than the period, and nothing else."""
    assert missed(None, NOON, 900, 2) == Span(NOON - timedelta(days=2), NOON, "first")
    assert missed(None, NOON, 900, 0) is None
    assert missed(NOON - timedelta(minutes=15), NOON, 900, 2) is None
    long = NOON - timedelta(days=30)
    assert missed(long, NOON, 900, 2) == Span(long, NOON, "outage")
    assert missed(NOON + timedelta(hours=1), NOON, 900, 2) is None


PAIRS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), min_size=1, max_size=20)


@given(PAIRS, PAIRS)
def test_added_and_read_is_as_sets_of_hours(wanted: list[tuple[int, int]], read: list[tuple[int, int]]) -> None:
    """Spans never overlap, and are the union of what was added less what was read."""
    spans: tuple[Span, ...] = ()
    expected: set[int] = set()
    for since, long in wanted:
        spans = added(spans, span(since, since + long))
        expected |= set(range(since, since + long))
    assert hours(spans) == expected
    assert sum((one.until - one.since).total_seconds() for one in spans) == len(expected) * 3600
    for since, long in read:
        spans = without(spans, *(NOON + timedelta(hours=hour) for hour in (since, since + long)))
        expected -= set(range(since, since + long))
    assert hours(spans) == expected


def test_spans_are_bounded() -> None:
    """One too many joins the oldest two, and loses none of them."""
    spans: tuple[Span, ...] = ()
    for number in range(SPANS_MAX + 3):
        spans = added(spans, span(2 * number, 2 * number + 1))
    assert len(spans) == SPANS_MAX
    assert {2 * number for number in range(SPANS_MAX + 3)} <= hours(spans)


def test_slices() -> None:
    """The newest first, counted on; only what the memory can hold; slower lines get shorter slices."""
    spans = (span(0, 30), span(40, 41))
    assert next_slice(spans, FIRST_SLICE_S) == span(40, 41)
    one = next_slice(spans[:1], FIRST_SLICE_S)
    assert one == span(24, 30)
    left = without(spans, one.since, one.until, 24)
    assert left == (span(0, 24, 24), span(40, 41))
    assert next_slice((), 1) is None
    assert within(span(0, 10), NOON + timedelta(hours=2), NOON + timedelta(hours=8)) == span(2, 8)
    assert within(span(0, 1), NOON + timedelta(hours=2), NOON + timedelta(hours=8)) is None
    assert next_slice_s(7200, 30) == SHORTEST_SLICE_S == next_slice_s(SHORTEST_SLICE_S, 99)
    assert next_slice_s(86400, 1) == LONGEST_SLICE_S
    assert next_slice_s(7200, 10) == pytest.approx(7200)


def test_a_memory_ends_where_it_has_nothing_for_a_month() -> None:
    """Counted back from the last interval that came; one that comes in between begins the count anew."""
    day, spans = 24, (span(-400 * 24, 0),)
    for number in range(62):
        assert not exhausted(spans)
        slice_ = next_slice(spans, day * 3600)
        assert slice_ is not None
        spans = without(spans, slice_.since, slice_.until, 1 if number == 30 else 0)
    assert exhausted(spans) == spans
    assert spans[0].empty_s == NOTHING_OLDER_S
    assert spans[0].read == 1
    # what is wanted beside it makes nothing emptier
    assert not exhausted(added((span(0, 10),), span(-2000, 20)))
