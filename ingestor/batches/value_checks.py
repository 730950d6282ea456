"""The careful way through a readings message: implausible times and values, odd codes, units, series not known yet."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from broker.contract.messages import Readings, Sample, Source
from broker.contract.plausible_values import bounds_of
from broker.errors import ContractError
from ingestor.batches.meter import Meter
from ingestor.batches.names import Names
from ingestor.batches.points import Point, point
from ingestor.batches.rows import instant, micros

_REASONS_NAMED = 5


@dataclass(slots=True)
class Refused:
    """Samples of one message that can't be stored, all for the same reason; `details` names the first few."""

    samples: list[Sample] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    def add(self, sample: Sample, detail: str) -> None:
        """Take one more sample."""
        self.samples.append(sample)
        self.name(detail)

    def name(self, detail: str) -> None:
        """Take what is wrong with one more value."""
        if len(self.details) < _REASONS_NAMED:
            self.details.append(detail)


@dataclass(slots=True)
class CheckedValues:
    """A message's values as (time, series, value), what is refused by reason, and whether a series is missing.

    `bygone` samples of a meter's memory are left out.
    """

    rows: list[tuple[int, int, float]] = field(default_factory=list)
    refused: dict[str, Refused] = field(default_factory=dict)
    missing: bool = False
    bygone: int = 0


def points_of(message: Readings) -> set[Point]:
    """The series that a message speaks of; codes that name none are left out."""
    return {what for code, what in _codes(message) if what is not None}


def check_values(
    message: Readings, meter: Meter, device_id: int, names: Names, earliest_us: int, latest_us: int, plausible_us: int
) -> CheckedValues:
    """Part the storable values of a device's message from the rest. A series that is missing goes to `series_limit`.

    What a meter remembers of the time before its device had it, or of longer ago than is kept (`earliest_us`, but after
    `plausible_us`), it tells honestly with each start: that is left out, and nobody need look into it.
    """
    result = CheckedValues()
    bounds = f"[{instant(earliest_us).isoformat()}, {instant(latest_us).isoformat()}]"
    units = message.units or {}
    samples = _without_bygone(message, meter, device_id, earliest_us, plausible_us)
    result.bygone = len(message.samples) - len(samples)
    for number, sample in samples:
        at_us = micros(sample.at)
        if not earliest_us <= at_us <= latest_us:
            detail = f"samples.{number}.at: {sample.at.isoformat()} is a reading time outside {bounds}"
            result.refused.setdefault("implausible_time", Refused()).add(sample, detail)
            continue
        if not meter.owned.is_of(device_id, at_us):
            detail = f"samples.{number}.at: at {sample.at.isoformat()} the meter stood at another device"
            result.refused.setdefault("foreign_meter", Refused()).add(sample, detail)
            continue
        bad: dict[str, dict[str, float]] = {}
        for code, value in sample.values.items():
            try:
                series_id = names.series_id(meter, code, units.get(code))
            except ContractError as error:
                bad.setdefault("invalid_message", {})[code] = value
                result.refused.setdefault("invalid_message", Refused()).name(str(error))
                continue
            low, high = bounds_of(code, units.get(code))
            if not low <= value <= high:
                bad.setdefault("implausible_value", {})[code] = value
                reason = f"samples.{number}.values.{code}: {value:g} is outside [{low:g}, {high:g}]"
                result.refused.setdefault("implausible_value", Refused()).name(reason)
            elif series_id is None:
                result.missing = True
                bad.setdefault("series_limit", {})[code] = value
            else:
                result.rows.append((at_us, series_id, value))
        for reason, values in bad.items():
            refused = result.refused.setdefault(reason, Refused())
            refused.samples.append(sample.model_copy(update={"values": values}))
            if reason != "implausible_value":  # each of these is named with its bounds already
                refused.name(f"samples.{number}.values: {', '.join(list(values)[:_REASONS_NAMED])}")
    return result


def _without_bygone(
    message: Readings, meter: Meter, device_id: int, earliest_us: int, plausible_us: int
) -> list[tuple[int, Sample]]:
    """The samples with their numbers, without what a meter of this device remembers of before its time."""
    samples = list(enumerate(message.samples))
    if message.source is not Source.PROFILE or meter.owner_id not in (None, device_id):
        return samples
    return [one for one in samples if not _is_bygone(meter, device_id, micros(one[1].at), earliest_us, plausible_us)]


def _is_bygone(meter: Meter, device_id: int, at_us: int, earliest_us: int, plausible_us: int) -> bool:
    before_us = max(earliest_us, meter.owned_from_us)
    return plausible_us <= at_us < before_us and (at_us < earliest_us or not meter.owned.is_of(device_id, at_us))


def _codes(message: Readings) -> Iterator[tuple[str, Point | None]]:
    units = message.units or {}
    for code in {code for sample in message.samples for code in sample.values}:
        try:
            yield code, point(code, units.get(code))
        except ContractError:
            yield code, None
