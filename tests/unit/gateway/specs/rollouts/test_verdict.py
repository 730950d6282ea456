"""When a canary is worse than what it replaces, and when it only looks so."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.specs.rollouts.jumps import Pair, implausible
from gateway.specs.rollouts.models import Limits
from gateway.specs.rollouts.verdict import Counts, ObservedMeter, judge

LIMITS = Limits()
GOOD = Counts(messages=90, counted=900, quiet_s=5)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def observed(now: Counts = GOOD, before: Counts = GOOD, since_s: float = 900, **more: object) -> ObservedMeter:
    return ObservedMeter("LGZ:1", before, now, since_s, **more)  # type: ignore[arg-type]


def reasons(*given: ObservedMeter, rest: tuple[ObservedMeter, ...] = (), limits: Limits = LIMITS) -> list[str]:
    return judge(limits, given, rest).reasons


def test_a_good_canary_stays() -> None:
    """As good as before, and it says so; too few telegrams say nothing yet."""
    assert judge(LIMITS, [observed()] * 5, [observed()] * 50).figures["verdict"] == "good"
    few = judge(LIMITS, [observed(Counts(messages=1, counted_undecodable=1, counted=2, quiet_s=1))], [])
    assert (few.reasons, few.figures["verdict"]) == ([], "watching")
    assert judge(LIMITS, [], []).figures["verdict"] == "watching"


@pytest.mark.parametrize(
    "now",
    [
        Counts(messages=80, counted=900, counted_undecodable=90, quiet_s=5),
        Counts(messages=0, frames=20),
        Counts(messages=60, frames=20, quiet_s=5),
    ],
)
def test_telegrams_that_can_not_be_decoded(now: Counts) -> None:
    """By the device's own counts, or where it tells none, by raw frames against messages."""
    (why,) = reasons(observed(now, since_s=60))
    assert "can't be decoded" in why


def test_what_failed_before_or_fails_elsewhere_is_not_the_canarys_fault() -> None:
    """A bad line stays a bad line, and a storm over the whole fleet is no spec's."""
    noisy = Counts(messages=80, counted=900, counted_undecodable=90, quiet_s=5)
    assert not reasons(observed(noisy, noisy))
    assert not reasons(observed(noisy), rest=(observed(noisy),))
    assert reasons(observed(noisy), rest=(observed(),))


def test_values_that_the_spec_refuses() -> None:
    """Counted by telegram, against before."""
    refusing = Counts(messages=90, counted=900, counted_refused=450, quiet_s=5)
    (why,) = reasons(observed(refusing))
    assert "refuses" in why
    assert not reasons(observed(refusing, refusing))


def test_silence_counts_only_where_readings_must_come() -> None:
    """Not of a device that is away or has not taken the version, nor of a meter that was silent before."""
    nothing = Counts()
    assert reasons(observed(nothing))
    assert reasons(observed(Counts(messages=5, quiet_s=600)))
    assert not reasons(observed(nothing, reachable=False))
    assert reasons(observed(GOOD, reachable=False, reverted=True)), "its device tried it and went back"
    assert not reasons(observed(nothing, before=nothing))
    assert not reasons(observed(nothing, since_s=200))
    assert not reasons(observed(nothing), rest=(observed(nothing),)), "the whole fleet is silent"
    seldom = Counts(messages=1, quiet_s=5)
    assert not reasons(observed(nothing, seldom, since_s=2000)), "it reports every 15 minutes"
    assert reasons(observed(nothing, seldom, since_s=2800))


def test_a_share_of_the_meters_may_be_odd() -> None:
    """One swapped register in a hundred meters is no reason; most of them are."""
    odd = observed(implausible=("1-0:1.8.0 jumped",))
    assert reasons(odd)
    assert not reasons(odd, *[observed()] * 20)
    found = judge(LIMITS, [odd] * 30, []).figures
    assert len(found["implausible"]) == 20
    assert found["now"]["implausible_percent"] == 100


def pair(old: float, new: float, unit: str = "kWh", kind: str = "register", after_s: float = 10) -> Pair:
    return Pair("1-0:1.8.0", unit, kind, old, NOON, new, NOON + timedelta(seconds=after_s))


@pytest.mark.parametrize(
    "odd",
    [
        pair(1234.567, 12345.67),
        pair(1234.567, 123.4567),
        pair(1234.567, 1234567),
        pair(3.0, 300.0),
        pair(812.3, 8123.0, "m³"),
        pair(231.0, 2310.0, "V", "instantaneous"),
        pair(231.0, 23.1, "V", "instantaneous"),
        pair(50.0, 500.0, "Hz", "instantaneous"),
        pair(0.482, 482.0, "kW", "instantaneous"),
    ],
)
def test_a_shifted_decimal_point_is_seen(odd: Pair) -> None:
    """A scaler error by 10 or 1000, either way, in registers and in what hardly changes."""
    assert implausible([odd], LIMITS.max_kw)
    assert not implausible([odd], 0)


@pytest.mark.parametrize(
    "fine",
    [
        pair(1234.567, 1234.568),
        pair(1234.567, 1234.567),
        pair(1234.567, 1234.0),
        pair(1234.567, 1290.0, after_s=86400),
        pair(231.0, 207.0, "V", "instantaneous"),
        pair(0.1, 40.0, "kW", "instantaneous"),
        pair(900.0, 950.0, "kW", "instantaneous"),
        pair(0.0, 231.0, "V", "instantaneous"),
        pair(5, 7, "", "counter"),
        pair(5, 70, "°C", "register"),
    ],
)
def test_what_a_meter_may_do_is_fine(fine: Pair) -> None:
    """Consumption, fewer digits, load steps, large plants, and units of which nothing is known."""
    assert not implausible([fine], LIMITS.max_kw)
