"""What receipts prove of the time: bounds by the round trip, and which clock is followed."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.messages import Clock
from device.clock import DeviceClock
from device.clock_offset import OFF_S, Followed, PlatformClock, Span

ROUND = st.tuples(st.floats(0, 600), st.floats(0, 60), st.floats(0, 60))


@given(st.floats(-1e8, 1e8), st.lists(ROUND, min_size=1, max_size=20))
def test_the_truth_lies_within_the_bounds_however_slow_the_round_trip(
    ahead_s: float, rounds: list[tuple[float, float, float]]
) -> None:
    """Pauses, ways out and ways back of any length; each further receipt only narrows what is open."""
    clock, now_s, width_s = PlatformClock(), 1000.0, float("inf")
    for pause_s, out_s, back_s in rounds:
        sent_s = now_s + pause_s
        now_s = sent_s + out_s + back_s
        clock.learn(sent_s + out_s + ahead_s, sent_s, now_s)
        found = clock.ahead(now_s)
        assert found is not None
        assert found.low_s - 1e-3 <= ahead_s <= found.high_s + 1e-3
        assert found.width_s <= min(width_s + 0.5, out_s + back_s + 1e-3)
        width_s = found.width_s


def test_a_platform_clock_that_was_put_right_is_believed_at_once() -> None:
    """What contradicts the earlier receipts counts alone; a receipt from before its message says nothing."""
    clock = PlatformClock()
    clock.learn(5000, 0, 2)
    clock.learn(9000, 10, 12)
    assert clock.ahead(12) == Span(8988, 8990)
    clock.learn(1, 14, 13)
    assert clock.ahead(12) == Span(8988, 8990)


def test_the_bounds_widen_with_the_time() -> None:
    """Two clocks part: what was told an hour ago is no longer as sure."""
    clock = PlatformClock()
    clock.learn(5000, 0, 2)
    later = clock.ahead(3602)
    assert later is not None
    assert 3.4 < later.width_s < 3.5


def test_a_wall_clock_is_followed_until_it_is_proven_to_be_far_off() -> None:
    """Within the bounds or a little beside: the wall clock; far off: the platform's, steadily."""
    followed = Followed()
    assert followed.now(1_000_000, 0, None) == 1_000_000
    assert followed.now(1_000_000, 0, Span(999_000, 1_010_000)) == 1_000_000
    assert followed.now(1_000_000, 0, Span(1_000_000 + OFF_S - 1, 1_000_090)) == 1_000_000
    assert followed.now(1_000_000, 0, Span(1_007_200, 1_007_202)) == 1_007_201
    assert followed.now(1_000_010, 10, Span(1_007_200.5, 1_007_202)) == 1_007_211
    # between being right and being off it stays as it was
    assert followed.now(1_007_190, 10, Span(1_007_200.5, 1_007_202)) == 1_007_211
    assert followed.off
    assert followed.now(1_007_211.7, 10, Span(1_007_200.5, 1_007_202)) == 1_007_211.7
    assert not followed.off


def test_a_clock_that_is_off_is_not_called_synced_whatever_the_kernel_says() -> None:
    """Two hours behind: times are the platform's and unsynced; once it is put right they are its own again."""
    wall, now = [1_000_000.0], [50.0]
    clock = DeviceClock(wall=lambda: wall[0], monotonic=lambda: now[0], synchronised=lambda: True)
    assert (clock.trust(), clock.checked, clock.off_s()) == (Clock.SYNCED, False, 0)
    clock.learn(datetime.fromtimestamp(1_007_201, UTC), 48.0, 50.0)
    assert (clock.trust(), clock.checked) == (Clock.UNSYNCED, True)
    assert clock.now() == datetime.fromtimestamp(1_007_202, UTC)
    assert clock.at(40.0) == datetime.fromtimestamp(1_007_192, UTC)
    assert clock.off_s() == -7202
    wall[0] += 7201.5
    assert (clock.trust(), clock.off_s()) == (Clock.SYNCED, 0)
    assert clock.now() == datetime.fromtimestamp(1_007_201.5, UTC)


@pytest.mark.parametrize("at", [datetime(1, 1, 1, 0, 0, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)])
def test_a_time_that_no_platform_can_mean_is_not_followed(at: datetime) -> None:
    """What was sent before and after it must have a time, too."""
    clock = DeviceClock(wall=lambda: 1.8e9, monotonic=lambda: 5000.0, synchronised=lambda: False)
    clock.learn(at, 4998.0, 5000.0)
    assert clock.at(1000.0) == datetime.fromtimestamp(1.8e9 - 4000, UTC)
    assert clock.at(9000.0) == datetime.fromtimestamp(1.8e9 + 4000, UTC)
    assert clock.off_s() == 0
