"""What `wattline decode` shows a person beside the readings: framing, specs, checks, the fault and its caret."""

import sys
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from broker.contract.obis import name_of
from meters.explain.types import Check, Explained, Fault, Reading, Step, as_read, facts_line, value_text
from meters.telegram import Record

MAX_RAW: Final = 40
MAX_WALK: Final = 400
PIPE_WIDTH: Final = 200
RAW_FROM: Final = 110
"""Columns of a terminal from which on there is room for the raw bytes."""


def print_explained(explained: Explained, *, walk: bool) -> None:
    """How the bytes were understood, and where they fail; `walk` adds a row for each record."""
    # A pipe has no width: what is written there is cut nowhere.
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    end = explained.offset + explained.length
    _line(console, "bytes", f"{explained.offset} to {end}: {explained.framing}")
    for what in explained.missing:
        _line(console, "missing", what, "yellow")
    for check in explained.checks:
        _check(console, check)
    if explained.fault is not None and not (explained.missing and explained.fault.offset == explained.offset):
        # A telegram that only lacks its head has been said to lack it; a caret below its first byte adds nothing.
        _fault(console, explained.fault)
    for hint in explained.hints:
        place = f" (byte {hint.offset})" if hint.offset is not None else ""
        _line(console, "hint", f"{hint.cause}: {hint.text}{place}", "cyan")
    if explained.reading is not None:
        _reading(console, explained, explained.reading, walk=walk)


def _line(console: Console, label: str, text: str, style: str = "") -> None:
    # What comes from the wire must not reach the terminal as control characters.
    plain = "".join(letter if letter.isprintable() else "�" for letter in text)
    shown = f"[{style}]{escape(plain)}[/{style}]" if style else escape(plain)
    console.print(f"  [dim]{label:<8}[/dim] {shown}", highlight=False, soft_wrap=True)


def _check(console: Console, check: Check) -> None:
    how = f", {check.how}" if check.how else ""
    if check.stated is None:
        _line(console, "check", f"{check.name}: none stated, {check.computed} computed", "yellow")
    elif check.holds:
        _line(console, "check", f"✓ {check.name}: {check.stated}{how}", "green")
    else:
        text = f"✗ {check.name}: stated {check.stated} at byte {check.offset}, computed {check.computed}"
        _line(console, "check", f"{text} over bytes {check.covers[0]} to {check.covers[1]}{how}", "red")


def _fault(console: Console, fault: Fault) -> None:
    _line(console, "wrong", f"{fault.reason} at byte {fault.offset}: {fault.detail}", "bold red")
    indent = " " * 11
    console.print(indent + fault.around.line, markup=False, highlight=False, soft_wrap=True)
    console.print(indent + " " * fault.around.caret + "^", style="bold red", highlight=False, soft_wrap=True)


def _reading(console: Console, explained: Explained, reading: Reading, *, walk: bool) -> None:
    facts = facts_line(reading.telegram.facts)
    if facts:
        _line(console, "who", facts)
    for match in reading.best:
        mark = "→" if match.spec.ref == reading.spec else " "
        _line(console, "spec", f"{mark} {match.spec.ref} {match.score}: {', '.join(match.reasons)}")
    if reading.spec is not None and reading.spec not in [match.spec.ref for match in reading.best]:
        _line(console, "spec", f"→ {reading.spec}: asked for; its match does not fit this meter", "yellow")
    if reading.refusal:
        _line(console, "refused", reading.refusal, "red")
    if not explained.trusted and reading.decoded is not None:
        _as_read(console, reading)
    if reading.unmapped:
        _line(console, "unmapped", ", ".join(reading.unmapped), "yellow")
    if walk:
        console.print(_walk(reading.steps, raw=console.width >= RAW_FROM))
        if len(reading.steps) > MAX_WALK:
            _line(console, "walk", f"{len(reading.steps) - MAX_WALK} more; --json has all", "yellow")


def _as_read(console: Console, reading: Reading) -> None:
    """Values of a telegram that failed, set apart from readings by their heading."""
    values, meters, units = as_read(reading.decoded)
    _line(console, "as read", "what the bytes say; the agent takes none of it for a reading", "yellow")
    for owner, found in (("", values), *meters.items()):
        for code, value in found.items():
            name = f"  ({known})" if (known := name_of(code)) else ""
            said = f"{owner + ' ' if owner else ''}{code} = {value} {units.get(code, '')}".rstrip()
            _line(console, "", said + name, "dim")


def _walk(steps: tuple[Step, ...], *, raw: bool) -> Table:
    names = ["bytes", "address", *(["raw"] if raw else []), "value", "unit", "scaler", "status", "became"]
    table = Table(*names, box=None, pad_edge=False)
    for column in table.columns:
        column.no_wrap = column.header != "became"
        column.justify = "right" if column.header in ("bytes", "value", "scaler") else "left"
    for step in steps[:MAX_WALK]:
        place = f"{step.offset}+{step.length}"
        octets = step.raw if len(step.raw) <= MAX_RAW else step.raw[: MAX_RAW - 1] + "…"
        rows = [_cells(record, became) for record, became in zip(step.records, step.became, strict=False)]
        for number, (address, *cells) in enumerate(rows or [["", "", "", "", "", "no record"]]):
            shown = [octets if number == 0 else ""] if raw else []
            table.add_row(*(_plain(cell) for cell in (place if number == 0 else "", address, *shown, *cells)))
    return table


def _cells(record: Record, became: str) -> list[str]:
    value = value_text(record.value) or ""
    return [
        record.address,
        value if len(value) <= MAX_RAW else value[: MAX_RAW - 1] + "…",
        record.unit or "",
        "" if record.scaler is None else str(record.scaler),
        "" if record.status is None else f"0x{record.status:x}",
        became,
    ]


def _plain(text: str) -> str:
    return escape("".join(letter if letter.isprintable() else "�" for letter in text))
