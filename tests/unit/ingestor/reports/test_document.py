"""What a report claims: no more than its readings stand for."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ingestor.reports.document import Figures, Report, completeness, report, standing
from ingestor.reports.letter import html, plain
from ingestor.reports.period import last_whole
from ingestor.reports.store import ReportEnergy, ReportGaps, ReportHeard, ReportMeter, ReportPower, ReportSeries
from ingestor.reports.table import written

SPAN = last_whole("day", "UTC", datetime(2026, 3, 10, tzinfo=UTC))
METER = ReportMeter(1, "TST:1", "pi-1", None, None, {})
HEARD = ReportHeard(1, SPAN.since, 24, before=True)
HOUR = timedelta(hours=1)


def energy(series: int, value: str, **changes: object) -> ReportEnergy:
    """What a register rose in all of the time, unless it is said otherwise."""
    whole = ReportEnergy(series, Decimal(value), SPAN.since, SPAN.until, estimated=False, partial=False, flags="")
    return replace(whole, **changes)  # type: ignore[arg-type]


def made(*energies: ReportEnergy, series: tuple[ReportSeries, ...], prices: dict[str, Decimal] | None = None) -> Report:
    """A report of one meter."""
    figures = Figures({1: series}, {one.series_id: one for one in energies}, {}, {1: HEARD})
    one = standing(METER, figures, None, SPAN, prices)
    return report("Report", "all meters", "UTC", SPAN, SPAN.until, [one], "EUR" if prices else None)


def tariffs(*numbers: int) -> tuple[ReportSeries, ...]:
    """Registers of import as energy_series has them: 0 is the total, which is the energy; tariffs are what is paid."""
    return tuple(
        ReportSeries(n, 1, f"1-0:1.8.{n}", "kWh", "import", counts=not n or 0 not in numbers, billed=n > 0)
        for n in numbers
    )  # fmt: skip


@pytest.mark.parametrize(
    ("heard", "gaps", "removed_at", "percent", "said"),
    [
        (HEARD, None, None, 100.0, "no gap"),
        (HEARD, ReportGaps(1, 1, 1, 1.0), None, 99.9, "readings missing: 1, in 1 gap"),
        (HEARD, ReportGaps(1, 2, 9, 6 * 3600.0), None, 75.0, "readings missing: 9, in 2 gaps"),
        (replace(HEARD, hours=1), None, None, None,
         "readings in 1 of its hours alone: whether any are missing can't be told"),
        (replace(HEARD, before=False, first_at=SPAN.since + 12 * HOUR, hours=12), None, None, 50.0,
         "the first reading ever came 2026-03-09 12:00Z"),
        (replace(HEARD, before=False, first_at=None, hours=0), None, None, 0.0, "no reading has ever come"),
        (None, None, None, 0.0, "no reading has ever come"),
        (HEARD, None, SPAN.since + 6 * HOUR, 25.0, "it was taken away 2026-03-09 06:00Z"),
        (replace(HEARD, first_at=None, hours=0), ReportGaps(1, 1, 96, 86400.0), None, 0.0,
         "readings missing: 96, in 1 gap"),
    ],
)  # fmt: skip
def test_completeness_is_never_more_than_is_known(
    heard: ReportHeard | None, gaps: ReportGaps | None, removed_at: datetime | None, percent: float | None, said: str
) -> None:
    """A second that is missing makes it less than all, and nobody guesses of a meter that is read once a day."""
    assert completeness(replace(METER, removed_at=removed_at), heard, gaps, SPAN) == (percent, said)


def test_a_sum_is_of_all_tariffs_or_of_none() -> None:
    """And of what is estimated or a part it says so; the total register is not counted twice."""
    whole = made(energy(0, "9"), energy(1, "4.5"), energy(2, "4.5"), series=tariffs(0, 1, 2))
    assert [(one.value, one.meters, one.unsure) for one in whole.totals] == [(Decimal(9), 1, 0)]
    part = made(energy(1, "4.5"), series=tariffs(1, 2))
    assert [(one.value, one.meters, one.unknown) for one in part.totals] == [(Decimal(0), 0, 1)]
    unsure = made(energy(1, "4", estimated=True), energy(2, "4"), series=tariffs(1, 2))
    assert [one.unsure for one in unsure.totals] == [1]
    late = made(energy(1, "4", from_at=SPAN.since + HOUR), series=tariffs(1))
    assert late.standings[0].lines[0].quality == "part"
    assert "a part of the time only, within 2026-03-09 01:00 to 2026-03-10 00:00" in plain(late, "a.csv", 7)


def test_cost_is_of_what_is_paid_for() -> None:
    """By the tariff's own price, or the total's; a register without a price is told."""
    prices = {"1-0:1.8.0": Decimal("0.5"), "1-0:1.8.2": Decimal("0.25")}
    found = made(energy(0, "8"), energy(1, "4"), energy(2, "4"), series=tariffs(0, 1, 2), prices=prices)
    assert (found.cost, found.unpriced) == (Decimal(3), 0)
    other = made(energy(1, "4"), energy(2, "4"), series=tariffs(1, 2), prices={"1-0:1.8.2": Decimal("0.25")})
    assert (other.cost, other.unpriced) == (Decimal(1), 1)


def test_what_a_meter_calls_itself_runs_nowhere() -> None:
    """Neither in HTML nor as a formula of a spreadsheet."""
    evil = ReportMeter(1, "=cmd|x", "<script>", None, None, {})
    figures = Figures({}, {}, {1: ReportPower(1, "1-0:1.7.0", 3.25, SPAN.since)}, {1: HEARD})
    found = report("T", "all", "UTC", SPAN, SPAN.until, [standing(evil, figures, None, SPAN, None)], None)
    assert "<script>" not in html(found, "a.csv", 7)
    (row,) = csv.DictReader(io.StringIO(written(found).decode()))
    assert (row["meter"], row["obis"], row["highest_kw"]) == ("'=cmd|x", "", "3.25")


def test_what_does_not_fit_a_mail_is_told() -> None:
    """Meters beyond those shown, and a file that is too large."""
    figures = Figures({}, {}, {}, {1: HEARD})
    some = [standing(METER, figures, None, SPAN, None)] * 3
    found = report("T", "all", "UTC", SPAN, SPAN.until, some, None).cut(2)
    text = plain(found, None, 7)
    assert "In the file alone: 1 more meter." in text
    assert "`wattline job fetch 7 FILE` has it" in text
    assert Report.model_validate(found.model_dump(mode="json")) == found
