"""Load profiles against registers: what deviates, and what edges, rounding and holes explain."""

from datetime import UTC, datetime, timedelta

import pytest

from ingestor.upkeep.profile_deviation import Point, deviation, runs

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def profile(*values: float, since: datetime = MIDNIGHT) -> list[Point]:
    """Quarter-hours, one after another."""
    return [Point(since + (number + 1) * QUARTER, value) for number, value in enumerate(values)]


def at(minutes: float, value: float) -> Point:
    """A reading of the register."""
    return Point(MIDNIGHT + timedelta(minutes=minutes), value)


def test_power_and_energy_of_a_run() -> None:
    """Mean power counts by its period; a hole begins another run, the longest comes first, short ones are none."""
    later = MIDNIGHT + timedelta(hours=3)
    short = MIDNIGHT + timedelta(hours=9)
    points = profile(1.0, 2.0, 1.0, 2.0) + profile(*[4.0] * 8, since=later) + profile(1.0, 1.0, since=short)
    one, two = runs(points, power=True)
    assert (one.since, one.until, one.kwh, one.peak_kw) == (later, later + timedelta(hours=2), 8.0, 4.0)
    assert (two.since, two.until, two.kwh) == (MIDNIGHT, MIDNIGHT + timedelta(hours=1), 1.5)
    (energy,) = runs(profile(0.25, 0.5, 0.25, 0.5), power=False)
    assert (energy.kwh, energy.peak_kw) == (1.5, 2.0)
    assert runs([], power=True) == runs(profile(1.0), power=True) == []
    assert runs([Point(MIDNIGHT + timedelta(hours=2 * n), 1.0) for n in range(9)], power=True) == []


@pytest.mark.parametrize(
    ("factor", "beyond"), [(1.0, False), (1.04, False), (0.96, False), (1.08, True), (0.92, True), (10.0, True)]
)
def test_more_than_the_share_is_too_much(factor: float, beyond: bool) -> None:
    """Of 48 kWh in a day with 5 %: two kilowatts all day, the register read at both edges."""
    (run,) = runs(profile(*[2.001 * factor, 1.999 * factor] * 48), power=True)
    found = deviation(run, at(0, 1000.125), at(1440, 1048.125), 0.05)
    assert (found is not None) is beyond
    if found is not None:
        assert found.register_kwh == 48.0
        assert found.beyond_kwh > 0


def test_edges_and_rounding_are_allowed_for() -> None:
    """A reading ten minutes after the edge may have ten minutes more; a register of whole kWh shows no less."""
    (run,) = runs(profile(*[2.001, 1.999] * 2), power=True)
    assert deviation(run, at(0, 10.125), at(70, 12.458), 0.0) is None
    assert deviation(run, at(0, 10.125), at(60, 12.333), 0.0) is not None
    (small,) = runs(profile(*[0.3] * 4), power=True)
    assert deviation(small, at(0, 10), at(60, 12), 0.0) is None
    (coarse,) = runs(profile(*[0.0, 0.1] * 2), power=False)
    assert deviation(coarse, at(0, 10.001), at(60, 10.499), 0.0) is None


def test_a_register_that_falls_is_no_witness() -> None:
    """It rolled over, was reset or is another one's."""
    (run,) = runs(profile(*[2.0] * 4), power=True)
    assert deviation(run, at(0, 1000.0), at(60, 1.0), 0.05) is None
    assert deviation(run, at(60, 1000.0), at(60, 1000.0), 0.05) is None
