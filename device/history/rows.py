"""Rows of a load profile into samples, by the spec and the parameters in force."""

from collections.abc import Sequence
from dataclasses import dataclass

from broker.contract.messages import Sample
from device.history.spans import Span
from meters.decoding.engine import decode
from meters.decoding.obis_filter import ObisFilter
from meters.specs.spec import Spec
from meters.telegram import ProfileRow, Telegram


@dataclass(frozen=True, slots=True)
class Intervals:
    """The samples of a slice, the units of their codes, and how many intervals there were before any filter."""

    samples: tuple[Sample, ...]
    units: dict[str, str]
    count: int


def intervals(spec: Spec, rows: Sequence[ProfileRow], span: Span, zone: str, wanted: ObisFilter) -> Intervals:
    """What a slice brought; rows that belong to another time are left out. Raises FrameError where none can be read."""
    if not rows:
        return Intervals((), {}, 0)
    decoded = decode(spec, Telegram(spec.match.protocol, (), {}, None, tuple(rows)), zone=zone, since=span.since)
    samples: list[Sample] = []
    units: dict[str, str] = {}
    count = 0
    for found in decoded.samples:
        if found.at is None or not span.since < found.at <= span.until:
            continue
        count += 1
        values = {code: float(value) for code, value in wanted.select(found.values).items()}
        if values:
            samples.append(Sample(at=found.at, values=values))
            units |= found.units
    return Intervals(tuple(samples), units, count)
