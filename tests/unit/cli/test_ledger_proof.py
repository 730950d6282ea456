"""What is missing of a range, by the numbers that came before, within and after it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cli.ledger_proof import BootRecord, Gap, Run, above, merged, without

SINCE = datetime(2026, 11, 23, 10, tzinfo=UTC)
UNTIL = SINCE + timedelta(hours=1)


def at(minute: float) -> datetime:
    return SINCE + timedelta(minutes=minute)


def run(low: int, high: int, first: float, last: float) -> Run:
    return Run(low, high, at(first), at(last))


def named(gaps: list[Gap]) -> list[tuple[int, int]]:
    return [(gap.low, gap.high) for gap in gaps]


def test_a_hole_is_named_with_the_times_around_it() -> None:
    """From the number before it to what came in its place."""
    record = BootRecord("d1", "a", before=[run(90, 99, -20, -1)], within=[run(100, 110, 0, 10), run(115, 120, 15, 20)])
    [gap] = record.gaps(SINCE, UNTIL)
    assert gap == Gap("d1", "a", 111, 114, at(10), at(15))
    assert gap.numbers == 4


def test_what_lies_before_the_range_is_none_of_it() -> None:
    """It begins after the highest number that came before; a boot of which nothing did begins with 1."""
    within = [run(60, 62, 1, 2), run(103, 104, 3, 4)]
    assert named(BootRecord("d1", "a", before=[run(90, 99, -20, -1)], within=within).gaps(SINCE, UNTIL)) == [(100, 102)]
    assert named(BootRecord("d1", "a", within=within).gaps(SINCE, UNTIL)) == [(1, 59), (63, 102)]
    assert BootRecord("d1", "a", before=[run(1, 5, -9, -8), run(9, 9, -7, -7)]).gaps(SINCE, UNTIL) == []


def test_the_end_counts_where_something_tells_of_it() -> None:
    """The next boot, in the range; or the next number after it."""
    record = BootRecord("d1", "a", within=[run(1, 5, 1, 5)])
    assert record.gaps(SINCE, UNTIL) == []
    record.ended = (8, at(30))
    assert record.gaps(SINCE, UNTIL) == [Gap("d1", "a", 6, 8, at(5), at(30))]
    record.ended = (8, at(90))
    assert record.gaps(SINCE, UNTIL) == []
    record.after = [run(7, 9, 61, 62)]
    assert record.gaps(SINCE, UNTIL) == [Gap("d1", "a", 6, 6, at(5), at(61))]
    nothing = BootRecord("d1", "b", ended=(61, at(30)))
    assert nothing.gaps(SINCE, UNTIL) == [Gap("d1", "b", 1, 61, None, at(30))]


def test_a_range_in_which_nothing_came_is_not_whole_for_that() -> None:
    """What is missing between the numbers before it and those after it may have been sent in it."""
    record = BootRecord("d1", "a", before=[run(1, 5, -9, -5)], after=[run(9, 12, 65, 69)])
    assert record.gaps(SINCE, UNTIL) == [Gap("d1", "a", 6, 8, at(-5), at(65))]
    record.after = [run(6, 12, 65, 69)]
    assert record.gaps(SINCE, UNTIL) == []
    assert BootRecord("d1", "a", after=[run(9, 12, 65, 69)]).gaps(SINCE, UNTIL) == []


def test_what_came_at_another_time_is_not_missing() -> None:
    """A part of a gap, its beginning, its end, or all of it."""
    gap = Gap("d1", "a", 10, 20, at(1), at(2))
    assert named(without(gap, [run(12, 13, 70, 71), run(18, 30, 72, 73)])) == [(10, 11), (14, 17)]
    assert without(gap, [run(1, 40, 70, 71)]) == []
    assert without(gap, []) == [gap]


def test_a_beginning_that_is_older_than_the_ledger_is_not_missing() -> None:
    """Only what lies above the last number that is known from before the range."""
    gap = Gap("d1", "a", 1, 99, None, at(2))
    assert above(gap, [], 100) is None
    assert above(gap, [run(1, 99, -900, -800)], 100) is None
    left = above(gap, [run(1, 40, -900, -800), run(200, 210, -700, -600)], 100)
    assert left is not None
    assert named([left]) == [(41, 99)]


def test_what_may_still_come() -> None:
    """Within an hour, or from a device that is away."""
    gap = Gap("d1", "a", 1, 9, None, at(0))
    assert gap.expected(at(59), online=True)
    assert not gap.expected(at(61), online=True)
    assert gap.expected(at(600), online=False)


def test_numbers_that_can_not_be_are_passed_over() -> None:
    """As the summary does."""
    record = BootRecord("d1", "a", last_seq=100)
    assert record.believes(run(5000, 5000, 1, 1))
    assert not record.believes(run(2**53, 2**53, 1, 1))
    assert not BootRecord("d1", "a").believes(run(2**40, 2**40, 1, 1))


@given(st.sets(st.integers(1, 60), min_size=1), st.sets(st.integers(1, 60)), st.integers(0, 2**32))
def test_it_names_each_missing_number_once(came: set[int], elsewhere: set[int], seed: int) -> None:
    """Whatever came, in whatever pieces: gaps and what came are all numbers up to the highest, and share none."""
    pieces = [run(n, n, n, n) for n in came]
    pieces = pieces[seed % len(pieces) :] + pieces[: seed % len(pieces)]
    record = BootRecord("d1", "a", within=merged(pieces))
    gaps = [left for gap in record.gaps(SINCE, UNTIL) for left in without(gap, (run(n, n, 70, 70) for n in elsewhere))]
    missing = [n for gap in gaps for n in range(gap.low, gap.high + 1)]
    assert sorted(missing) == sorted(set(range(1, max(came) + 1)) - came - elsewhere)
