"""What `wattline decode` shows a person: a table for each telegram and one line at the end."""

from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from broker.contract.obis import name_of
from broker.wording import counted
from meters.decoding.engine import Decoded, MeterSample


def print_telegram(line: dict[str, Any], decoded: Decoded | None) -> None:
    """One telegram: who said it, by which spec, its readings, or why it could not be decoded."""
    console = Console()
    place = f"{line['file']}: " if "file" in line else ""
    parts = [line["protocol"], line["identification"], line["spec"] and f"by {line['spec']}", line["at"]]
    # Identifications come from the line: what is not printable must not reach the terminal.
    headline = " · ".join("".join(c if c.isprintable() else "�" for c in str(part)) for part in parts if part)
    console.print(f"[bold]{escape(place)}telegram {line['telegram']}[/bold] {escape(headline)}", highlight=False)
    if decoded is None:
        console.print(f"  [red]{escape(str(line['error']))}[/red]", highlight=False)
        return
    live = [sample for sample in decoded.samples if not sample.profile]
    rows = [sample for sample in decoded.samples if sample.profile]
    if live:
        console.print(_readings(live, decoded.at))
    if rows:
        console.print(_profile(rows))
    if "note" in line:
        console.print(f"[yellow]  note: {escape(line['note'])}[/yellow]", highlight=False)
    for refusal in decoded.refused:
        text = f"  left out {refusal.address}: {refusal.reason}"
        console.print(f"[yellow]{escape(text)}[/yellow]", highlight=False)


def print_summary(summary: dict[str, int]) -> None:
    """How many telegrams were decoded, and how many bytes belonged to none."""
    Console().print(
        f"{counted(summary['telegrams'], 'telegram')}: {summary['decoded']} decoded, {summary['undecoded']} undecoded; "
        f"{counted(summary['bytes_skipped'], 'byte')} skipped"
    )


def _readings(samples: list[MeterSample], at: datetime | None) -> Table:
    table = Table("meter", "code", "quantity", "value", "unit", "at", box=None, pad_edge=False)
    table.columns[3].justify = "right"
    for column in table.columns:
        column.no_wrap = column.header != "quantity"
    for sample in samples:
        own = f"{sample.at:%Y-%m-%d %H:%MZ}" if sample.at is not None and sample.at != at else ""
        for code, value in sample.values.items():
            unit = sample.units.get(code, "")
            table.add_row(escape(sample.sub_meter), code, name_of(code), f"{value:f}", escape(unit), own)
    return table


def _profile(rows: list[MeterSample]) -> Table:
    units = {code: unit for row in rows for code, unit in row.units.items()}
    # The first column is each interval's end.
    table = Table("end", *(f"{code} {unit}" for code, unit in units.items()), box=None, pad_edge=False)
    for row in rows:
        values = (f"{row.values[code]:f}" if code in row.values else "" for code in units)
        table.add_row(f"{row.at:%Y-%m-%d %H:%MZ}" if row.at else "", *values)
    return table
