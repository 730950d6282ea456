"""Data records of M-Bus (EN 13757-3 6): where they stand, and what type of value each one carries."""

import math
import struct
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from broker.errors import FrameError
from meters.telegram import MeterTime
from meters.wires.mbus.vif import Vib, read_vib
from meters.wires.reals import shortest

HEADS: Final = {0x72: 12, 0x7A: 4, 0x78: 0}
"""Octets before the first record, by CI field (EN 13757-3 5.2)."""
FILLER, MAKER_DATA, MORE, REQUEST_ALL = 0x2F, 0x0F, 0x1F, 0x7F
FUNCTIONS: Final = ("", "max", "min", "err")
MAX_DIFES: Final = 10
MAX_RECORDS: Final = 512
_EXTENSION: Final = 0x80
_SIZES: Final = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6, 7: 8, 8: 0, 9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
_REAL, _LVAR, _BCD = 5, 13, (9, 10, 11, 12, 14)
_UNSIGNED: Final = "7c11"
"""Data presented with type C (table 16): an integer without a sign."""
_BITS: Final = frozenset({"digital-output", "digital-input", "error-flags", "error-mask", "medium", "maker-code"})
"""What is a set of bits or a code rather than an amount: type D, without a sign (annex A)."""
_EVERY_YEAR: Final = 127
_DATES: Final = ("date", "time", "tariff-start", "battery-change")


@dataclass(frozen=True, slots=True)
class DataRecord:
    """One record, `start` to before `end` of the telegram's data; `width` in octets, negative where it is signed.

    `value` is after the factor; None where the meter has none or marks it wrong (`vib.error`, an invalid number).
    """

    start: int
    end: int
    vib: Vib
    value: Decimal | str | bytes | None
    at: MeterTime | None = None
    function: str = ""
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    width: int | None = None
    maker_data: bool = False


@dataclass(frozen=True, slots=True)
class _Dib:
    kind: int
    function: str
    storage: int
    tariff: int
    subunit: int


def read_records(data: bytes, start: int) -> tuple[list[DataRecord], bool]:
    """All records from a place on, and whether more follow in the next telegram.

    Raises FrameError where a record ends behind the data, or none can be where it begins.
    """
    found: list[DataRecord] = []
    at = start
    while at < len(data):
        dif = data[at]
        if dif == FILLER:
            at += 1
            continue
        if dif in (MAKER_DATA, MORE):
            return _with_makers(found, data, at), dif == MORE
        if dif == REQUEST_ALL or dif & 0x0F == 0x0F or len(found) == MAX_RECORDS:
            raise FrameError("malformed", f"no data record begins with {dif:02x}", offset=at)
        try:
            record = _read(data, at)
        except IndexError as error:
            raise FrameError("malformed", "a data record ends behind the telegram", offset=at) from error
        found.append(record)
        at = record.end
    return found, False


def says_more(information: int, user: bytes) -> bool:
    """Whether records that can be read end in DIF 1F."""
    try:
        return read_records(user, HEADS[information])[1]
    except FrameError:
        return False


def _with_makers(found: list[DataRecord], data: bytes, at: int) -> list[DataRecord]:
    own = data[at + 1 :]
    if own:
        vib, _ = read_vib(b"\x7f", 0)
        found.append(DataRecord(at, len(data), vib, own, maker_data=True))
    return found


def _read(data: bytes, start: int) -> DataRecord:
    dib, at = _read_dib(data, start)
    vib, at = read_vib(data, at)
    size = _SIZES[dib.kind] if dib.kind != _LVAR else 0
    if len(data) < at + size:
        raise IndexError
    octets = data[at : at + size]
    stamp = None
    width = None
    value: Decimal | str | bytes | None
    if dib.kind == _LVAR:
        value, at = _variable(data, at)
    elif vib.meaning.name in _DATES and dib.kind in (2, 3, 4, 6):
        stamp, text = read_stamp(octets)
        value = text or None
        at += size
    else:
        signed = _UNSIGNED not in vib.more and vib.meaning.name not in _BITS
        value = _number(dib.kind, octets, signed=signed)
        width = (-size if signed else size) if dib.kind in (1, 2, 3, 4, 6, 7) else None
        at += size
    if isinstance(value, Decimal):
        value *= vib.meaning.factor
    if vib.error:
        value = None
    return DataRecord(start, at, vib, value, stamp, dib.function, dib.storage, dib.tariff, dib.subunit, width)


def _read_dib(data: bytes, at: int) -> tuple[_Dib, int]:
    """DIF and DIFEs: the type, and the numbers of storage, tariff and subunit that grow with each DIFE (6.3)."""
    dif = data[at]
    storage, tariff, subunit = dif >> 6 & 1, 0, 0
    last, at = dif, at + 1
    for n in range(MAX_DIFES):
        if not last & _EXTENSION:
            break
        last, at = data[at], at + 1
        storage |= (last & 0x0F) << 1 + 4 * n
        tariff |= (last >> 4 & 3) << 2 * n
        subunit |= (last >> 6 & 1) << n
    if last & _EXTENSION:
        raise IndexError
    return _Dib(dif & 0x0F, FUNCTIONS[dif >> 4 & 3], storage, tariff, subunit), at


def _number(kind: int, octets: bytes, *, signed: bool) -> Decimal | None:
    """An integer (type B or C), a real (type H), or BCD (type A); None for what marks an invalid one."""
    if not octets:
        return None
    if kind == _REAL:
        return exact(struct.unpack("<f", octets)[0])
    if kind in _BCD:
        return _bcd(octets[::-1])
    number = int.from_bytes(octets, "little", signed=signed)
    # 80.. stands for no value among signed numbers (annex A)
    return None if signed and number == -(1 << 8 * len(octets) - 1) else Decimal(number)


def exact(real: float) -> Decimal | None:
    """A single-precision number with the digits that it has; None for NaN and infinities."""
    return Decimal(shortest(real)) if math.isfinite(real) else None


def _bcd(digits: bytes) -> Decimal | None:
    """Packed digits, the first one of most weight; F there is a minus, other letters are no number."""
    text = digits.hex()
    minus = text.startswith("f")
    text = text[1:] if minus else text
    if not text.isdecimal():
        return None
    return Decimal(-int(text) if minus else int(text))


def _variable(data: bytes, at: int) -> tuple[Decimal | str | bytes | None, int]:
    """A value that states its own length (LVAR, annex A): a text, BCD, an integer or octets."""
    size, at = data[at], at + 1
    length = _variable_length(size)
    end = at + length
    if len(data) < end:
        raise IndexError
    octets = data[at:end]
    if size <= 0xBF:
        return octets[::-1].decode("latin-1").strip("\x00 "), end
    if size <= 0xDF:
        number = _bcd(octets[::-1]) if octets else None
        return (-number if number is not None and size >= 0xD0 else number), end
    if size <= 0xEF and 1 <= length <= 8:
        return Decimal(int.from_bytes(octets, "little", signed=True)), end
    return octets[::-1], end


def _variable_length(size: int) -> int:
    if size <= 0xBF:
        return size
    if size <= 0xC9 or 0xD0 <= size <= 0xD9:
        return size & 0x0F
    if 0xE0 <= size <= 0xEF:
        return size - 0xE0
    long = {0xF0: 16, 0xF1: 20, 0xF2: 24, 0xF3: 28, 0xF4: 32, 0xF5: 48, 0xF6: 64, 0xF8: 8}
    if size not in long:
        raise IndexError
    return long[size]


def read_stamp(octets: bytes) -> tuple[MeterTime | None, str]:
    """A date (type G), time of day (J) or both (F, I) as time and text; (None, '') for one that is marked invalid.

    Only a set bit of summer time says something: clocks that know no such thing leave it clear all the year.
    """
    try:
        if len(octets) == 2:
            day = _date(octets[0], octets[1])
            return MeterTime(day), f"{day:%Y-%m-%d}"
        if len(octets) == 3:
            return None, f"{octets[2] & 0x1F:02d}:{octets[1] & 0x3F:02d}:{octets[0] & 0x3F:02d}"
        seconds = octets[0] & 0x3F if len(octets) == 6 else 0
        minute, hour, day_octet, month_octet = octets[-4:] if len(octets) == 4 else octets[1:5]
        if minute & 0x80:
            return None, ""
        century = hour >> 5 & 3 if len(octets) == 4 else 1
        day = _date(day_octet, month_octet, century)
        local = day.replace(hour=hour & 0x1F, minute=minute & 0x3F, second=seconds)
        summer = hour & 0x80 if len(octets) == 4 else octets[0] & 0x80
        return MeterTime(local, True if summer else None), local.isoformat()
    except ValueError:
        return None, ""


def _date(low: int, high: int, century: int = 0) -> datetime:
    """Day, month and year; years to 80 without a century are of this one (annex A, type G)."""
    year = low >> 5 | high >> 1 & 0x78
    if year == _EVERY_YEAR:
        raise ValueError("a day of every year is none")
    base = 2000 if century in (0, 1) and year <= 80 else 1900 if century == 0 else 1900 + 100 * century
    return datetime(base + year, high & 0x0F, low & 0x1F)  # noqa: DTZ001  (a wall clock: its zone is the site's)
