"""Whether a meter's load profile tells the same energy as its registers. Pure functions; times are aware UTC."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final

LEAST: Final = timedelta(hours=1)
"""A shorter stretch tells nothing: its edges weigh more than it."""
LONGEST_PERIOD: Final = timedelta(hours=1)
MOST_RUNS: Final = 4
"""Stretches of one day that are looked at, the longest ones."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a time: of an interval its END."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Run:
    """Intervals that follow one another without a hole: their energy, and by how much rounding may have changed it."""

    since: datetime
    until: datetime
    kwh: float
    peak_kw: float
    rounding_kwh: float


@dataclass(frozen=True, slots=True)
class Deviation:
    """By how much profile and register differ over a run, and what would have been allowed."""

    run: Run
    register_kwh: float
    allowed_kwh: float

    @property
    def beyond_kwh(self) -> float:
        """What is too much."""
        return abs(self.run.kwh - self.register_kwh) - self.allowed_kwh


def runs(intervals: Sequence[Point], *, power: bool) -> list[Run]:
    """The longest stretches of intervals (in the order of their times): of mean power in kW, or of energy."""
    apart = Counter(after.at - before.at for before, after in pairwise(intervals))
    if not apart:
        return []
    period = min(step for step, times in apart.items() if times == max(apart.values()))
    if not timedelta() < period <= LONGEST_PERIOD:
        return []
    stretches = [[intervals[0]]]
    for before, after in pairwise(intervals):
        if after.at - before.at != period:
            stretches.append([])
        stretches[-1].append(after)
    found = [_run(one, period, power=power) for one in stretches if len(one) * period >= LEAST]
    return sorted(found, key=lambda run: run.until - run.since, reverse=True)[:MOST_RUNS]


def deviation(run: Run, first: Point, last: Point, share: float) -> Deviation | None:
    """What is wrong with a run by the register's readings nearest to its edges; None where nothing is.

    A register that falls is no witness. Allowed are a share of the energy, what can have been drawn between a reading
    and the edge that it stands for, and what both can't show.
    """
    register_kwh = last.value - first.value
    hours = (last.at - first.at).total_seconds() / 3600
    if register_kwh < 0 or hours <= 0:
        return None
    peak_kw = max(run.peak_kw, register_kwh / hours)
    edges_h = (abs(first.at - run.since) + abs(last.at - run.until)).total_seconds() / 3600
    shown_kwh = 2 * _resolution(first.value, last.value)
    allowed = share * max(run.kwh, register_kwh) + edges_h * peak_kw + shown_kwh + run.rounding_kwh
    found = Deviation(run, register_kwh, allowed)
    return found if found.beyond_kwh > 0 else None


def _run(points: Sequence[Point], period: timedelta, *, power: bool) -> Run:
    hours = period.total_seconds() / 3600
    weight = hours if power else 1.0
    energies = [point.value * weight for point in points]
    rounding = len(points) * weight * _resolution(*(point.value for point in points))
    return Run(points[0].at - period, points[-1].at, sum(energies), max(energies) / hours, rounding)


def _resolution(*values: float) -> float:
    """The last place that the values show: of 12.5 and 13.25 it is 0.01."""
    shown = max((_decimals(value) for value in values), default=0)
    return float(10.0**-shown)


def _decimals(value: float) -> int:
    exponent = Decimal(repr(round(value, 9))).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
