"""Log books of IEC 62056-21 (P.98, P.99 of VDEW 2.1): entries with their stamp, status word and columns."""

from typing import Final

from meters.telegram import ProfileRow, Record
from meters.wires.iec62056_dataset import Groups, completed, iec_stamp, normal_address, number

LOGS: Final = ("P.98", "P.99")
MAX_COLUMNS: Final = 32
_FIXED_GROUPS: Final = 4


def log_entry(groups: Groups) -> ProfileRow | None:
    """The entry of one header `P.98(stamp)(status)()(columns)(code)(unit)...(value)...`; None where that is none.

    Each entry has a header of its own. Values stay text: `(0.9.1)()(0.9.2)()(1hhmmss)(1YYMMDD)` is the clock before it
    was set.
    """
    stamp = iec_stamp(groups[0])
    columns = number(groups[3]) if len(groups) >= _FIXED_GROUPS else None
    if stamp is None or columns is None or not 0 <= columns <= MAX_COLUMNS or columns != int(columns):
        return None
    count = int(columns)
    heads = groups[_FIXED_GROUPS : _FIXED_GROUPS + 2 * count]
    values = groups[_FIXED_GROUPS + 2 * count : _FIXED_GROUPS + 3 * count]
    if len(values) < count:
        return None
    names = [completed(normal_address(code, reduced=True), electricity=True) for code in heads[::2]]
    cells = zip(names, heads[1::2], values, strict=True)
    records = tuple(Record(name, text.strip() or None, unit or None) for name, unit, text in cells)
    return ProfileRow(stamp, records, groups[1])
