"""Stamps of third parties into instants: written in many ways, with offsets or in a zone whose autumn hour is twice."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

from broker.zones import zone_info
from meters.mappings.expressions import shown

EARLIEST: Final = datetime(2000, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""Stamps outside come from clocks that were never set."""
_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIRECTIVES: Final = re.compile(r"%[YymdHMSfzjIpbB%]")
_FULL: Final = re.compile(r"(?=.*%[Yy])(?=.*%[mbB])(?=.*%d)|(?=.*%[Yy])(?=.*%j)")


class StampError(ValueError):
    """A stamp that is no time by any of the formats."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A stamp as it was read: an aware instant, or a wall-clock time that a zone has to tell."""

    at: datetime | None
    local: datetime | None = None
    summer: bool | None = None


def check_patterns(formats: tuple[str, ...]) -> tuple[str, ...]:
    """The formats. Raises ValueError for one that is neither a word we know nor a pattern that tells a whole date."""
    for one in formats:
        if one == "iso" or one in _PER_SECOND:
            continue
        if "%" in _DIRECTIVES.sub("", one):
            raise ValueError(f"{one}: only %Y %y %m %d %j %b %H %I %p %M %S %f %z can be read")
        if not _FULL.search(one):
            raise ValueError(f"{one}: names no whole date; write iso, s, ms, us, or a pattern such as %d.%m.%Y %H:%M")
        try:
            datetime.strptime("", one)  # noqa: DTZ007  (what it makes of no text is of no interest)
        except re.error as error:
            raise ValueError(f"{one}: a part stands twice") from error
        except ValueError:
            continue
    return formats


def read_stamp(value: object, formats: Sequence[str]) -> Stamp:
    """A value of a payload by the first format that fits it. Raises StampError."""
    if value is None or value == "":
        raise StampError("no time is there")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise StampError(f"{shown(value)} is no time")
    for one in formats:
        found = _since_1970(value, _PER_SECOND[one]) if one in _PER_SECOND else _written(str(value).strip(), one)
        if found is not None:
            return found
    raise StampError(f"{shown(value)} is no time of the form {' or '.join(formats)}")


def _since_1970(value: str | float, per_second: int) -> Stamp | None:
    try:
        number = Decimal(str(value).strip())
        if not number.is_finite() or abs(number) > 10**17:
            return None
        return Stamp(_EPOCH + timedelta(microseconds=int(number * (1_000_000 // per_second))))
    except (InvalidOperation, OverflowError):
        return None


def _written(text: str, layout: str) -> Stamp | None:
    if len(text) > 64:
        return None
    try:
        at = datetime.fromisoformat(text) if layout == "iso" else datetime.strptime(text, layout)  # noqa: DTZ007
        return Stamp(None, at) if at.tzinfo is None else Stamp(at.astimezone(UTC))
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=16_384)
def passes(local: datetime, zone: str) -> tuple[datetime, datetime]:
    """The instants (UTC) that a wall-clock time of a zone can be: two in autumn, else twice the same.

    Raises StampError at the ends of time.
    """
    tz = zone_info(zone)
    try:
        first, second = (local.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1))
    except (OverflowError, ValueError) as error:
        raise StampError(f"{local} is no time of {zone}") from error
    return first, max(first, second)


def resolve(
    stamps: Sequence[Stamp], codes: Sequence[frozenset[str]], zone: str | None, received_at: datetime,
    shift_s: int = 0,
) -> list[datetime | None]:  # fmt: skip
    """The instants of one meter's records in the order of the payload; None for one without zone, and of no set clock.

    A stamp of the hour that occurs twice is the pass by the order of the records, which may fall as well as rise;
    where the order says nothing it is the pass nearer to the receipt. `codes` are what each record gives, for several
    records of one time may each have a register.
    """
    wall = [stamp.local for stamp in stamps if stamp.local is not None]
    falls = len(wall) > 1 and wall[0] > wall[-1]
    order = range(len(stamps) - 1, -1, -1) if falls else range(len(stamps))
    found: list[datetime | None] = [None] * len(stamps)
    turns_back = _turns_back([stamps[place] for place in order], [codes[place] for place in order])
    before: datetime | None = None
    seen = frozenset[str]()
    for place in order:
        at = _one(stamps[place], codes[place], zone, received_at, before, seen, turns_back)
        if at is None or not EARLIEST <= at <= LATEST:
            continue
        found[place] = at
        seen = seen | codes[place] if at == before else codes[place]
        before = at
    return [at + timedelta(seconds=shift_s) if at is not None else None for at in found] if shift_s else found


def _turns_back(stamps: Sequence[Stamp], codes: Sequence[frozenset[str]]) -> bool:
    """Whether the wall clock is set back within the records, so that the first of those times are the first pass."""
    before: datetime | None = None
    seen = frozenset[str]()
    for stamp, which in zip(stamps, codes, strict=True):
        if stamp.local is None:
            continue
        if before is not None and (stamp.local < before or (stamp.local == before and seen & which)):
            return True
        seen = seen | which if stamp.local == before else which
        before = stamp.local
    return False


def _one(
    stamp: Stamp, codes: frozenset[str], zone: str | None, received_at: datetime, before: datetime | None,
    seen: frozenset[str], turns_back: bool,
) -> datetime | None:  # fmt: skip
    if stamp.at is not None or stamp.local is None or zone is None:
        return stamp.at
    try:
        first, last = passes(stamp.local, zone)
    except StampError:
        return None
    if stamp.summer is not None:
        is_first = stamp.summer
    elif before is not None:
        is_first = first > before or (first == before and not seen & codes)
    else:
        is_first = turns_back or abs(first - received_at) <= abs(last - received_at)
    return first if is_first else last
