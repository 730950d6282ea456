"""A report as a CSV file: a row a register of a meter, all meters. Pure functions."""

import csv
import io
from typing import Any, Final

from ingestor.reports.document import Line, Report, Standing
from store.export.cells import cell

COLUMNS: Final = (
    "meter", "device", "point", "since", "until", "zone", "obis", "unit", "energy", "quality", "known_from",
    "known_until", "flags", "price", "cost", "currency", "highest_kw", "highest_within", "complete_percent", "gaps",
    "missing_readings", "completeness",
)  # fmt: skip


def written(report: Report) -> bytes:
    """The file, in UTF-8; a meter without registers has a row, too."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for one in report.standings:
        for line in one.lines or (None,):
            writer.writerow([cell(value) for value in _row(report, one, line)])
    return text.getvalue().encode()


def _row(report: Report, one: Standing, line: Line | None) -> list[Any]:
    measured: list[Any] = [None] * 10
    if line is not None:
        cost = None if line.cost is None else round(line.cost, 2)
        measured = [
            line.obis, line.unit, line.value, line.quality, line.from_at, line.until_at, line.flags, line.price, cost,
            report.currency if cost is not None else None,
        ]  # fmt: skip
    return [
        one.meter, one.device, one.point, report.since, report.until, report.zone, *measured, one.highest_kw,
        one.highest_at, one.complete_percent, one.gaps, one.missing, one.completeness,
    ]  # fmt: skip
