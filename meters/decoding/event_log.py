"""The entries of a meter's event log: when each happened by the meter's clock, and what it was. Pure functions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from meters.decoding.profile import interval_ends, status_word
from meters.specs.event_log import EventLog
from meters.telegram import ProfileRow, Record

_CODE_COLUMN: Final = re.compile(r"(?:[0-9]+-[0-9]+:)?(?:96|C)\.11(?:\.[0-9]+)?|91\.11\.[0-9]+")
"""0-b:96.11.e of IEC 62056-6-1, also with the letter C of VDEW; the manual of a Metcom writes 91.11 for it."""
_MOST_VALUES: Final = 16
_MOST_CHARACTERS: Final = 64
_REST: Final = "bit_{}"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry; `at` is aware UTC by the meter's clock, `stamp` its wall-clock time as the meter stated it.

    `code` is a number, or a status word in hex; `meaning` '' where the spec says none. `values` are the other columns.
    """

    at: datetime
    stamp: str
    code: str
    meaning: str
    grave: bool
    values: dict[str, str] = field(default_factory=dict)


def log_entries(rows: Sequence[ProfileRow], section: EventLog, zone: str | None) -> tuple[LogEntry, ...]:
    """The entries in the order of the meter; what has no time that can be believed is none.

    `zone` is that of the telegram's stamps; the section's own counts before it.
    """
    found = zip(rows, interval_ends(rows, None, section.zone or zone), strict=True)
    return tuple(_entry(row, at, section) for row, at in found if at is not None)


def _entry(row: ProfileRow, at: datetime, section: EventLog) -> LogEntry:
    stamp = row.at.local.isoformat(sep=" ") + {True: " summer", False: " winter", None: ""}[row.at.dst]
    coded = next((one for one in row.records if _is_code(one, section)), None)
    number = None if coded is None else _whole(coded)
    rest = {one.address: _text(one) for one in row.records if one is not coded}
    values = {name: text for name, text in list(rest.items())[:_MOST_VALUES] if text}
    if number is not None:
        meaning = section.meaning_of(number)
        return LogEntry(at, stamp, str(number), meaning, meaning in section.warn, values)
    word = status_word(row.status)
    if word is None:
        return LogEntry(at, stamp, "", "", grave=False, values=values)
    names = _meanings(int(word), section)
    return LogEntry(at, stamp, row.status.upper(), ", ".join(names), any(n in section.warn for n in names), values)


def _is_code(record: Record, section: EventLog) -> bool:
    if section.code_from is not None:
        return record.address == section.code_from
    return _CODE_COLUMN.fullmatch(record.address) is not None


def _whole(record: Record) -> int | None:
    value = record.value
    if isinstance(value, str) and value.strip().isdecimal():
        value = Decimal(value.strip())
    whole = isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value()
    return int(value) if whole and isinstance(value, Decimal) and 0 <= value < 2**32 else None


def _meanings(word: int, section: EventLog) -> list[str]:
    """The names of the bits that are set, the highest first; one without a name by its number."""
    names = {bit: name for name, bit in section.status.items()}
    return [names.get(bit, _REST.format(bit)) for bit in range(word.bit_length() - 1, -1, -1) if word >> bit & 1]


def _text(record: Record) -> str:
    value = record.value
    text = f"{value:f}" if isinstance(value, Decimal) and value.is_finite() else str(value or "")
    return (f"{text} {record.unit}" if text and record.unit else text)[:_MOST_CHARACTERS]
