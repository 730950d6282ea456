"""A report as the two texts of a mail, plain and HTML, which say the same. Pure functions."""

from datetime import datetime
from decimal import Decimal
from html import escape
from typing import Final
from zoneinfo import ZoneInfo

from ingestor.reports.document import Line, Report, Standing

_QUALITY: Final = {
    "measured": "",
    "estimated": "estimated",
    "part": "a part of the time only",
    "none": "not known",
}
_CELL: Final = 'style="padding:3px 10px;border-bottom:1px solid #ddd;text-align:left"'
_NUMBER: Final = _CELL.replace("left", "right")
HEADINGS: Final = ("Meter", "Where", "Register", "Energy", "", "Highest power", "Complete")


def subject(report: Report) -> str:
    """One line."""
    return f"{report.title}: {report.words}"


def plain(report: Report, attached: str | None, job: int) -> str:
    """As text; `attached` is the file's name, None where it is too large for a mail."""
    said = [*_summary(report), ""]
    for one in report.standings:
        said.append(f"{one.meter}{_where(one)}")
        said += [f"    {line.obis:16} {_amount(line):>18}  {_remark(report, line)}".rstrip() for line in one.lines]
        if not one.lines:
            said.append("    no register")
        said += [f"    highest power: {_power(report, one)}", f"    complete: {_complete(one)}", ""]
    return "\n".join([*said, *_closing(report, attached, job)]) + "\n"


def html(report: Report, attached: str | None, job: int) -> str:
    """As HTML without anything that is loaded from elsewhere."""
    rows = [row for one in report.standings for row in _rows(report, one)]
    head = "".join(f"<th {_CELL}>{one}</th>" for one in HEADINGS)
    above = "".join(f"<p>{escape(one)}</p>" for one in _summary(report)[1:])
    below = "".join(f"<p>{escape(one)}</p>" for one in _closing(report, attached, job))
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>'
        f'{escape(subject(report))}</title></head><body style="font-family:sans-serif"><h1 style="font-size:1.3em">'
        f"{escape(subject(report))}</h1>{above}"
        f'<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
        f"{below}</body></html>"
    )  # fmt: skip


def _summary(report: Report) -> list[str]:
    meters = _counted(report.meters, "meter")
    times = f"{_local(report, report.since)} to {_local(report, report.until)} ({report.zone})"
    said = [subject(report), f"From {times}, {report.chosen}: {meters}."]
    for total in report.totals:
        unsure = f"; of {total.unsure} estimated or a part of the time only" if total.unsure else ""
        unknown = f"; not known of {total.unknown} more, which are not counted" if total.unknown else ""
        said.append(
            f"{total.direction.capitalize()}: {total.value:,.3f} kWh, the sum of "
            f"{_counted(total.meters, 'meter')}{unsure}{unknown}."
        )
    if report.currency is not None and report.cost is not None:
        unpriced = f"; without a price: {_counted(report.unpriced, 'register')}" if report.unpriced else ""
        said.append(f"Cost: {report.cost:,.2f} {report.currency} by the prices that were given{unpriced}.")
    if report.incomplete:
        said.append(f"Not complete, or nobody can tell: {report.incomplete} of {report.meters} meters.")
    else:
        said.append("Readings of all meters are complete.")
    return said


def _closing(report: Report, attached: str | None, job: int) -> list[str]:
    said = []
    if (left := report.meters - len(report.standings)) > 0:
        said.append(f"In the file alone: {_counted(left, 'more meter')}.")
    if attached is None:
        said.append(f"The file is too large for a mail: `wattline job fetch {job} FILE` has it.")
    else:
        said.append(f"All figures are in {attached}.")
    said.append(f"Figures as of {_local(report, report.made_at)}; readings that come later are not in them. Job {job}.")
    return said


def _rows(report: Report, one: Standing) -> list[str]:
    found = []
    for number, line in enumerate(one.lines or (None,)):
        first = number == 0
        cells = [
            (one.meter if first else "", _CELL), (_where(one).lstrip(", ") if first else "", _CELL),
            ("" if line is None else line.obis, _CELL), ("no register" if line is None else _amount(line), _NUMBER),
            ("" if line is None else _remark(report, line), _CELL), (_power(report, one) if first else "", _CELL),
            (_complete(one) if first else "", _CELL),
        ]  # fmt: skip
        found.append("<tr>" + "".join(f"<td {style}>{escape(text)}</td>" for text, style in cells) + "</tr>")
    return found


def _where(one: Standing) -> str:
    return f", {one.point or one.device}" if one.point or one.device else ""


def _amount(line: Line) -> str:
    return "not known" if line.value is None else f"{_plain(line.value)} {line.unit}".rstrip()


def _remark(report: Report, line: Line) -> str:
    said = [] if line.value is None else [_QUALITY[line.quality]]
    if line.quality == "part" and line.from_at is not None and line.until_at is not None:
        # days that readings begin or end in are told whole
        said[0] += f", within {_local(report, line.from_at)} to {_local(report, line.until_at)}"
    if line.cost is not None and report.currency is not None:
        said.append(f"{line.cost:,.2f} {report.currency}")
    said += [one for one in (line.flags,) if one and one != "partial"]
    return ", ".join(one for one in said if one)


def _power(report: Report, one: Standing) -> str:
    if one.highest_kw is None or one.highest_at is None:
        return "not measured"
    return f"{one.highest_kw:g} kW, within the hour from {_local(report, one.highest_at)}"


def _complete(one: Standing) -> str:
    return one.completeness if one.complete_percent is None else f"{one.complete_percent:g} %: {one.completeness}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def _plain(value: Decimal) -> str:
    return f"{value:,f}"


def _local(report: Report, at: datetime) -> str:
    return f"{at.astimezone(ZoneInfo(report.zone)):%Y-%m-%d %H:%M}"
