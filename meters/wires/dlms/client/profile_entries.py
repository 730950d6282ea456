"""Which rows of a load profile lie in a span, by their numbers: for meters that refuse to be asked by range.

Rows are numbered from 1, the oldest, and stand a capture period apart; where the meter was without power there are
none, and some meters enter more as their clock is set, so that a row may be older or younger than its number makes one
think. Single rows are asked for their stamps: three, where nothing is missing.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from math import ceil
from typing import Final

from broker.errors import FrameError
from meters.wires.dlms.axdr import read
from meters.wires.dlms.client.profile_limits import instant_of
from meters.wires.dlms.client.services import Got
from meters.wires.encode.dlms import integer, structure

UNSURE: Final = timedelta(hours=2)
"""Stamps without an offset begin so long before the span: the first must not be of the hour that occurs twice."""
MOST_LOOKS: Final = 32
"""Of one search; a halving of a hundred years of minutes takes 26."""
_BY_ENTRY: Final = 2

Look = Callable[[int], Generator[bytes, bytes, Got]]
"""Reads the row of a number."""


@dataclass(frozen=True, slots=True)
class Entries:
    """A profile that is read by entry: its name, its period, which column has the clock, and the zone of that.

    `offset`: whether the clock states its deviation from UTC.
    """

    name: bytes
    period_s: int
    clock_column: int | None
    zone: tzinfo
    offset: bool


def by_entry(first: int, last: int) -> bytes:
    """Selector 2: rows by their number from 1, in all columns; 0 as `last` is the last one there is."""
    return bytes((_BY_ENTRY,)) + structure(integer(first), integer(last), integer(1, 2), integer(0, 2))


def number(got: Got) -> int:
    """A double-long-unsigned as it came, 0 where it is no integer. Raises FrameError where it is beyond those."""
    node = read(got, 0)[0] if isinstance(got, bytes) else None
    found = node[0] if isinstance(node, tuple) else 0
    if not 0 <= found < 2**32:
        raise FrameError("malformed", f"a count or period of a profile of {found}, not within 0 to 2^32-1")
    return found


def wanted_entries(
    entries: Entries, count: int, span: tuple[datetime, datetime], now_at: datetime, look: Look
) -> Generator[bytes, bytes, tuple[int, int] | None]:
    """The first and the last number, of `count` rows, that a span needs; None where all rows are newer.

    Where a row tells no time the newest of all is the last: more is read rather than too little.
    """
    start_at, end_at = span
    back = yield from _back_to(entries, count, _rows(entries, end_at, now_at), end_at, look)
    if back:
        back = yield from _newest(entries, count, back, end_at, look)
    if back is None:
        back, end_at = 0, now_at
    if back >= count:
        return None
    guess = back + _rows(entries, start_at, end_at)
    far = yield from _back_to(entries, count, guess, start_at if entries.offset else start_at - UNSURE, look)
    return max(1, count - (guess if far is None else far)), count - back


def _rows(entries: Entries, since: datetime, until: datetime) -> int:
    return max(0, ceil((until - since).total_seconds() / entries.period_s))


def _back_to(entries: Entries, count: int, guess: int, at: datetime, look: Look) -> Generator[bytes, bytes, int | None]:
    """How far before the newest row one stands that ended not after `at`: a guess or more, `count` where none does.

    None where stamps do not tell.
    """
    place = min(guess, count)
    for _ in range(MOST_LOOKS):
        if place >= count:
            return count
        stamp = yield from _stamp(entries, count - place, look)
        if stamp is None:
            return None
        if stamp <= at:
            return place
        place = min(count, place + max(1, _rows(entries, at, stamp)))
    return None


def _newest(
    entries: Entries, count: int, old: int, end_at: datetime, look: Look
) -> Generator[bytes, bytes, int | None]:
    """How far before the newest row the newest one stands that ended not after `end_at`, as the one at `old` did."""
    newer = -1
    # where no row is missing the one after `old` is too new already
    place = old - 1
    for _ in range(MOST_LOOKS):
        if old - newer <= 1:
            return old
        stamp = yield from _stamp(entries, count - place, look)
        if stamp is None:
            return None
        old, newer = (place, newer) if stamp <= end_at else (old, place)
        place = (old + newer) // 2
    return None


def _stamp(entries: Entries, chosen: int, look: Look) -> Generator[bytes, bytes, datetime | None]:
    got = yield from look(chosen)
    node = read(got, 0)[0] if isinstance(got, bytes) else None
    row = node[0] if isinstance(node, list) and node else None
    if not isinstance(row, list) or entries.clock_column is None or len(row) <= entries.clock_column:
        return None
    return instant_of(row[entries.clock_column], entries.zone)
