"""Peaks of past months in P1 telegrams (0-0:98.1.0 of e-MUCS-P1): each at the stamp of its own quarter-hour."""

from collections.abc import Iterator
from typing import Final

from meters.telegram import ProfileRow, Record
from meters.wires.iec62056_dataset import Groups, measured, normal_address, p1_stamp

MONTHS: Final = "0-0:98.1.0"
MAX_MONTHS: Final = 60
_HEAD: Final = 3


def month_rows(groups: Groups) -> Iterator[ProfileRow]:
    """The rows of `(n)(code)(code)`, then n times `(end of the month)(when it was)(value*unit)`.

    A month without a peak has a stamp that is none (632525252525W). Nothing comes of another layout: in Hungary the
    values stand there without codes.
    """
    count = int(groups[0]) if groups[0].isascii() and groups[0].isdecimal() and len(groups[0]) < 3 else 0
    code = normal_address(groups[1], reduced=True) if len(groups) > _HEAD else ""
    if not 0 < count <= MAX_MONTHS or code != normal_address(groups[2], reduced=True) or ":" not in code:
        return
    months = groups[_HEAD : _HEAD + 3 * count]
    for end, when, text in zip(months[::3], months[1::3], months[2::3], strict=False):
        at = p1_stamp(when)
        if at is not None and p1_stamp(end) is not None:
            value, unit = measured(text)
            yield ProfileRow(at, (Record(code, value, unit),), kept="time")
