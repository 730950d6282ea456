"""Whose reading a sample is, and which time it gets: the meter's own where it can be trusted, else the device's.

Pure functions, so that a device and whoever decodes its kept frames later come to the same readings.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from broker.contract.messages import Clock
from meters.decoding.engine import Decoded, MeterSample
from meters.decoding.sub_meters import key_behind
from meters.specs.spec import Spec

ZONE_TOLERANCE_S: Final = 300
ZONES_APART_H: Final = 26
"""No two places of the earth are further apart on the clock."""
EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Nobody has read a meter by this software before: a meter's clock that says so was never set, or has lost its time."""
LATEST_AHEAD: Final = timedelta(days=3650)
"""How far a device without a clock of its own may lag behind the time."""


@dataclass(frozen=True, slots=True)
class Received:
    """When the device took a telegram, and how far its clock can be trusted.

    `checked` where a clock that no NTP keeps was compared with another one and found or put right.
    """

    at: datetime
    clock: Clock
    checked: bool = False

    @property
    def known(self) -> bool:
        """Whether `at` is sure enough to judge a meter's clock by it."""
        return self.clock is not Clock.UNSYNCED or self.checked


@dataclass(frozen=True, slots=True)
class Stamp:
    """The time of a sample; `own` where it is the value's own and not the telegram's."""

    at: datetime
    clock: Clock
    own: bool = False


@dataclass(frozen=True, slots=True)
class ClockState:
    """What became of a telegram's own time: `off_s` is how far it lies from the device's, None where it has none.

    `clock` is how far to trust it: the meter's where it is near the device's, unsynced where only neither is known.
    """

    trusted: bool
    off_s: float | None
    clock: Clock = Clock.METER


def clock_state(spec: Spec, decoded: Decoded, received: Received) -> ClockState:
    """Whether the meter's clock is within the spec's allowed skew of the device's.

    A device's clock that nobody vouches for is no judge: a Pi starts without the time, and a meter keeps its own. Then
    the meter's counts if it is a time at all, as unsynced.
    """
    if decoded.at is None:
        return ClockState(trusted=False, off_s=None)
    off_s = (decoded.at - received.at).total_seconds()
    near = abs(off_s) <= spec.time.skew_s
    if near or received.known:
        return ClockState(trusted=near, off_s=off_s)
    plausible = EARLIEST <= decoded.at <= max(received.at, EARLIEST) + LATEST_AHEAD
    return ClockState(trusted=plausible, off_s=off_s, clock=Clock.UNSYNCED)


def zone_off_h(spec: Spec, decoded: Decoded, received: Received, zone: str) -> int | None:
    """By how many whole hours a meter's wall clock is off, give or take ZONE_TOLERANCE_S; None where by none.

    More often than not it is right, and `zone` (the site's, '' for the spec's own) is not that of the place. Where no
    zone was used, the meter states its offset itself and none is to blame.
    """
    off_s = clock_state(spec, decoded, received).off_s
    if off_s is None or not received.known or not (zone or spec.time.zone):
        return None
    hours = round(off_s / 3600)
    near = abs(off_s - hours * 3600) <= ZONE_TOLERANCE_S
    return hours if near and 0 < abs(hours) <= ZONES_APART_H else None


def stamp(spec: Spec, decoded: Decoded, sample: MeterSample, received: Received) -> Stamp:
    """The time of one sample.

    Intervals of a load profile keep the meter's stamps, and are called unsynced where its clock is off. Values with a
    stamp of their own (gas, peaks) keep it unless the meter's clock is off or the stamp lies ahead.
    """
    clock = clock_state(spec, decoded, received)
    if sample.at is None:
        return Stamp(received.at, received.clock)
    if sample.profile:
        doubted = clock.off_s is not None and not clock.trusted
        return Stamp(sample.at, Clock.UNSYNCED if doubted else clock.clock, own=True)
    if sample.at == decoded.at:
        return Stamp(sample.at, clock.clock) if clock.trusted else Stamp(received.at, received.clock)
    latest = received.at if clock.clock is Clock.METER or decoded.at is None else decoded.at
    ahead = sample.at > latest + timedelta(seconds=spec.time.skew_s)
    if ahead or (clock.off_s is not None and not clock.trusted):
        return Stamp(received.at, received.clock)
    return Stamp(sample.at, clock.clock, own=True)


def stamped(key: str, spec: Spec, decoded: Decoded, received: Received) -> Iterator[tuple[str, MeterSample, Stamp]]:
    """The samples of a telegram of the meter `key`, each with the meter that it is of and its time."""
    for sample in decoded.samples:
        meter = key_behind(key, sample.key, sample.sub_meter) if sample.sub_meter else key
        yield meter, sample, stamp(spec, decoded, sample, received)
