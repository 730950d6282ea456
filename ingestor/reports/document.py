"""A report as it is told: figures by meter and register, and how much of the time they stand for. Pure functions."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from ingestor.reports.period import Span
from ingestor.reports.store import ReportEnergy, ReportGaps, ReportHeard, ReportMeter, ReportPower, ReportSeries

FEWEST_HOURS: Final = 8
"""Of readings in fewer hours nobody can tell how often they were due (meter_gap_between)."""
TOTAL_OF: Final = {"import": "1-0:1.8.0", "export": "1-0:2.8.0"}
Quality = Literal["measured", "estimated", "part", "none"]
Direction = Literal["import", "export"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Line(_Part):
    """What one register rose; `part` where it is known for a part of the time only, `from_at` to `until_at`."""

    obis: str
    unit: str
    direction: Direction | None
    counts: bool
    billed: bool
    value: Decimal | None
    quality: Quality
    from_at: datetime | None
    until_at: datetime | None
    flags: str
    price: Decimal | None
    cost: Decimal | None


class Standing(_Part):
    """One meter; `complete_percent` of the time its readings cover, None where nobody can tell."""

    meter: str
    device: str | None
    point: str | None
    lines: tuple[Line, ...]
    highest_kw: float | None
    highest_at: datetime | None
    gaps: int
    missing: int
    complete_percent: float | None
    completeness: str


class Total(_Part):
    """Energy of all meters in one direction: of so many that have such registers, and how many of these are unsure."""

    direction: Direction
    value: Decimal
    meters: int
    unsure: int
    unknown: int


class Report(_Part):
    """All of it; `shown` meters stand in the mail, the others in the file alone."""

    title: str
    words: str
    since: datetime
    until: datetime
    zone: str
    made_at: datetime
    chosen: str
    meters: int
    incomplete: int
    totals: tuple[Total, ...]
    currency: str | None
    cost: Decimal | None
    unpriced: int
    standings: tuple[Standing, ...]

    def cut(self, most: int) -> "Report":
        """The same with so many meters at most."""
        return self.model_copy(update={"standings": self.standings[:most]})


@dataclass(frozen=True, slots=True)
class Figures:
    """What was read of some meters, by meter or series."""

    series: Mapping[int, Sequence[ReportSeries]]
    energy: Mapping[int, ReportEnergy]
    power: Mapping[int, ReportPower]
    heard: Mapping[int, ReportHeard]


def standing(
    meter: ReportMeter, figures: Figures, gaps: ReportGaps | None, span: Span, prices: Mapping[str, Decimal] | None
) -> Standing:
    """What is told of a meter."""
    power, registers = figures.power.get(meter.meter_id), figures.series.get(meter.meter_id, ())
    percent, words = completeness(meter, figures.heard.get(meter.meter_id), gaps, span)
    return Standing(
        meter=meter.meter, device=meter.device, point=meter.point,
        lines=tuple(_line(one, figures.energy.get(one.series_id), span, prices) for one in registers),
        highest_kw=None if power is None else power.value, highest_at=None if power is None else power.at,
        gaps=0 if gaps is None else gaps.gaps, missing=0 if gaps is None else gaps.missing,
        complete_percent=percent, completeness=words,
    )  # fmt: skip


def completeness(
    meter: ReportMeter, heard: ReportHeard | None, gaps: ReportGaps | None, span: Span
) -> tuple[float | None, str]:
    """How much of the time readings cover in percent, rounded down, and the same in words."""
    if heard is None or (heard.first_at is None and not heard.before):
        return 0.0, "no reading has ever come"
    since = span.since if heard.before or heard.first_at is None else max(span.since, heard.first_at)
    until = span.until if meter.removed_at is None else min(span.until, meter.removed_at)
    said = []
    if since > span.since:
        said.append(f"the first reading ever came {since:%Y-%m-%d %H:%MZ}")
    if until < span.until:
        said.append(f"it was taken away {until:%Y-%m-%d %H:%MZ}")
    if gaps is None and heard.hours < FEWEST_HOURS:
        said.append(f"readings in {heard.hours} of its hours alone: whether any are missing can't be told")
        return None, "; ".join(said)
    if gaps is not None:
        said.append(f"readings missing: {gaps.missing}, in {gaps.gaps} {'gap' if gaps.gaps == 1 else 'gaps'}")
    covered_s = (until - since).total_seconds() - (0.0 if gaps is None else gaps.gap_s)
    share = max(0.0, covered_s) / (span.until - span.since).total_seconds()
    return math.floor(share * 1000) / 10, "; ".join(said) or "no gap"


def report(
    title: str, chosen: str, zone: str, span: Span, made_at: datetime, standings: Sequence[Standing],
    currency: str | None,
) -> Report:  # fmt: skip
    """All meters together."""
    lines = [line for one in standings for line in one.lines]
    costs = [line.cost for line in lines if line.cost is not None]
    return Report(
        title=title, words=span.words, since=span.since, until=span.until, zone=zone, made_at=made_at, chosen=chosen,
        meters=len(standings), incomplete=sum(one.complete_percent != 100 for one in standings),
        totals=tuple(total for way in TOTAL_OF if (total := _total(way, standings)) is not None),  # type: ignore[arg-type]
        currency=currency, cost=sum(costs, Decimal(0)) if currency is not None else None,
        unpriced=sum(currency is not None and line.billed and line.price is None for line in lines),
        standings=tuple(standings),
    )  # fmt: skip


def _line(one: ReportSeries, energy: ReportEnergy | None, span: Span, prices: Mapping[str, Decimal] | None) -> Line:
    price = None
    if prices is not None and one.billed and one.direction is not None:
        price = prices.get(one.obis, prices.get(TOTAL_OF[one.direction]))
    value = None if energy is None else energy.value
    return Line(
        obis=one.obis, unit=one.unit, direction=one.direction, counts=one.counts, billed=one.billed, value=value,
        quality=_quality(energy, span),
        from_at=None if energy is None else energy.from_at, until_at=None if energy is None else energy.until_at,
        flags="" if energy is None else energy.flags, price=price,
        cost=None if price is None or value is None else value * price,
    )  # fmt: skip


def _quality(energy: ReportEnergy | None, span: Span) -> Quality:
    if energy is None or energy.value is None:
        return "none"
    if energy.partial or energy.from_at > span.since or energy.until_at < span.until:
        return "part"
    return "estimated" if energy.estimated else "measured"


def _total(direction: Direction, standings: Iterable[Standing]) -> Total | None:
    """All of a meter's registers or none: a part of its tariffs is worse than no number."""
    value, meters, unsure, unknown = Decimal(0), 0, 0, 0
    for one in standings:
        lines = [line for line in one.lines if line.counts and line.direction == direction]
        if not lines:
            continue
        values = [line.value for line in lines if line.value is not None]
        if len(values) < len(lines):
            unknown += 1
            continue
        meters += 1
        value += sum(values, Decimal(0))
        unsure += any(line.quality != "measured" for line in lines)
    if not meters and not unknown:
        return None
    return Total(direction=direction, value=value, meters=meters, unsure=unsure, unknown=unknown)
