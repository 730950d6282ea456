"""The buffer of a profile generic (IEC 62056-62 4.3.6) into rows: its columns and their scalers say what they are."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Final

from broker.contract.obis import Obis
from meters.telegram import MeterTime, ProfileRow, Record
from meters.wires.dlms.axdr import Node
from meters.wires.dlms.clock import read_clock

PROFILE_CLASS: Final = 7
BUFFER, COLUMNS, PERIOD = 2, 3, 4
MAX_ROWS: Final = 8192
_CLOCK_CLASS, _DATA_CLASS = 8, 1
_STATUS: Final = (96, 10)
"""C and D of the status word of a profile (IEC 62056-61)."""
_LONGEST_PERIOD_S: Final = 366 * 86400

Scalers = Mapping[bytes, tuple[int, str | None] | None]


def profile_rows(columns: Node, period: Node, buffer: Node, scalers: Scalers) -> tuple[ProfileRow, ...]:
    """The rows in the order of the meter, each with the stamp that its clock column has: the END of its interval.

    A row without a clock stands one period after the one before it, a value that is left out is that of the row
    before. What makes no sense gives no row: a row of another length, one without any time to count from.
    """
    if not isinstance(columns, list) or not isinstance(buffer, list):
        return ()
    kinds = [_column(one) for one in columns]
    period_s = period[0] if isinstance(period, tuple) and 0 < period[0] <= _LONGEST_PERIOD_S else 0
    rows: list[ProfileRow] = []
    before: list[Node] = [None] * len(kinds)
    at: MeterTime | None = None
    for row in buffer[:MAX_ROWS]:
        if not isinstance(row, list) or len(row) != len(kinds):
            continue
        cells = [cell if cell is not None else last for cell, last in zip(row, before, strict=True)]
        at = _stamp(kinds, row, at, period_s)
        before = cells
        if at is not None:
            rows.append(ProfileRow(at, tuple(_records(kinds, cells, scalers)), _status(kinds, cells)))
    return tuple(rows)


def _column(entry: Node) -> tuple[int, bytes] | None:
    """Class and code of a column; None of one that is no value of an object."""
    if not isinstance(entry, list) or len(entry) < 3:
        return None
    kind, name, index = entry[:3]
    if not (isinstance(kind, tuple) and isinstance(name, bytes) and len(name) == 6 and isinstance(index, tuple)):
        return None
    # of a demand register the last average has the number 3
    return (kind[0], name) if index[0] == 2 or (kind[0], index[0]) == (5, 3) else None


def _stamp(
    kinds: list[tuple[int, bytes] | None], row: list[Node], before: MeterTime | None, period_s: int
) -> MeterTime | None:
    for kind, cell in zip(kinds, row, strict=True):
        if kind is not None and kind[0] == _CLOCK_CLASS and isinstance(cell, bytes):
            return read_clock(cell)
    if before is None or not period_s:
        return None
    step = timedelta(seconds=period_s)
    try:
        return replace(before, local=before.local + step, at=before.at + step if before.at else None)
    except OverflowError:
        return None


def _records(kinds: list[tuple[int, bytes] | None], cells: list[Node], scalers: Scalers) -> list[Record]:
    found = []
    for kind, cell in zip(kinds, cells, strict=True):
        if kind is None or kind[0] == _CLOCK_CLASS or _is_status(kind):
            continue
        scaler, unit = scalers.get(kind[1]) or (None, None)
        value: Decimal | None = None
        width = None
        if isinstance(cell, tuple):
            value, width = Decimal(cell[0]).scaleb(scaler or 0), cell[1]
        elif isinstance(cell, Decimal):
            value = cell.scaleb(scaler or 0)
        if value is not None:
            found.append(Record(str(Obis.from_bytes(kind[1])), value, unit, None, None, scaler, width))
    return found


def _is_status(kind: tuple[int, bytes]) -> bool:
    return kind[0] == _DATA_CLASS and (kind[1][2], kind[1][3]) == _STATUS


def _status(kinds: list[tuple[int, bytes] | None], cells: list[Node]) -> str:
    """The status word in hex, two digits an octet; '' where there is none."""
    for kind, cell in zip(kinds, cells, strict=True):
        if kind is None or not _is_status(kind):
            continue
        if isinstance(cell, tuple) and cell[0] >= 0:
            return f"{cell[0]:0{2 * abs(cell[1])}X}"
        if isinstance(cell, bytes):
            return cell[:8].hex().upper()
    return ""
