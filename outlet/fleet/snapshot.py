"""The fleet at one moment: meters, their newest readings, and whether they speak."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from outlet.fleet.store import NewestReading, StandingMeter

CADENCES: Final = 3
"""A meter is silent that has said nothing for so many of its own cadences, and for `silent_s`."""


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter with the newest reading of each OBIS code, whatever its unit was before."""

    facts: StandingMeter
    readings: Mapping[str, NewestReading]

    @property
    def newest_at(self) -> datetime | None:
        """The time of its newest reading."""
        return max((one.at for one in self.readings.values()), default=None)

    def speaks(self, now: datetime, silent_s: float) -> bool:
        """Whether it is not silent: a gas meter that tells its register once an hour is not for three hours."""
        gaps = [one.at - one.before_at for one in self.readings.values() if one.before_at is not None]
        allowed = max(timedelta(seconds=silent_s), CADENCES * min(gaps, default=timedelta()))
        newest = self.newest_at
        return newest is not None and now - newest <= allowed

    def available(self, now: datetime, silent_s: float) -> bool:
        """Whether it speaks and its device is not known to be away."""
        return self.facts.online is not False and self.speaks(now, silent_s)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Meters by key; `left_out` where there are more than may be shown."""

    at: datetime
    meters: Mapping[str, Meter]
    left_out: bool = False

    @classmethod
    def of(
        cls, at: datetime, standing: Iterable[StandingMeter], newest: Iterable[NewestReading], *, left_out: bool
    ) -> Self:
        """From rows; of two series of one code the one with the newer reading counts."""
        readings: dict[int, dict[str, NewestReading]] = {}
        for one in newest:
            of_meter = readings.setdefault(one.meter_id, {})
            if one.obis not in of_meter or of_meter[one.obis].at < one.at:
                of_meter[one.obis] = one
        return cls(at, {one.key: Meter(one, readings.get(one.id, {})) for one in standing}, left_out)
