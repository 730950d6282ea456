"""The data sets of IEC 62056-21 (6.3.2) and P1: `address(value*unit)(...)` as text, into neutral records."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from broker.contract.obis import Obis, lookup, spell
from broker.errors import ContractError
from meters.telegram import MeterTime, Record

PAIR = re.compile(r"([^()]*)\(([^()]*)\)")
_NUMBER = re.compile(r"[+-]?[0-9]{1,32}(?:\.[0-9]{1,32})?|[+-]?\.[0-9]{1,32}")
_REDUCED = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?:[*&][0-9]{1,3})?")
_SHORT = re.compile(r"((?:[0-9]{1,3}-[0-9]{1,3}:)?[0-9]{1,3}\.[0-9]{1,3})([*&][0-9]{1,3})?")
_FOLDED = re.compile(r"[0-9A-Fa-f]{16,}(?:\r?\n[0-9A-Fa-f]{16,})+")
_P1_STAMP = re.compile(r"[0-9]{12}[SWsw]")
_IEC_STAMP = re.compile(r"[0-9]{10}|[0-9]{12,13}")
_TEXT_DETAIL = {96: (1, 5, 13, 50, 51, 90, 98, 99), 97: (97,)}
_TEXT_GROUPS = (0, 42)
_THERMAL_GROUPS = (6, 9)
_CENTRAL_EUROPE = {False: timedelta(hours=1), True: timedelta(hours=2)}

Groups = list[str]
DataSet = tuple[str, Groups]


def data_sets(text: str) -> Iterator[DataSet]:
    """The data sets in the order of the wire; a group without address belongs to the set before it, also over lines."""
    address = ""
    groups: Groups = []
    for head, value in PAIR.findall(text):
        name = head.strip()
        if name:
            if groups:
                yield address, groups
            address, groups = name, [value]
        else:
            groups.append(value)
    if groups:
        yield address, groups


def is_well_formed(text: str) -> bool:
    """Whether the text is nothing but data sets and white space: what an unchecked telegram must be.

    Only long messages in hex (0-0:96.13.0 of DSMR 2.2) may go on over lines.
    """
    rest, _, last = text.rpartition(")")
    if last.strip():
        return False
    covered = sum(len(head) + len(value) + 2 for head, value in PAIR.findall(text))
    return covered == len(rest) + (1 if rest or text.strip() else 0) and not any(
        ("\n" in value and not _FOLDED.fullmatch(value)) or "\n" in head.strip() for head, value in PAIR.findall(text)
    )


@lru_cache(maxsize=4096)
def normal_address(name: str, *, reduced: bool) -> str:
    """The code as contract.obis writes it; as it stands where it is none, or reduced and `reduced` says to leave it."""
    if len(name) > 64:
        return name[:64]
    if "-" not in name and (not reduced or _REDUCED.fullmatch(name) is None):
        return name
    try:
        return str(Obis.parse(name))
    except ContractError:
        return name


@lru_cache(maxsize=4096)
def completed(address: str, *, electricity: bool = False) -> str:
    """The code with an E of 0 where it has none (`32.7` is 1-0:32.7.0) and measures electricity; else as it stands.

    Heat meters have codes of their own in 6.x and 9.x: these stay, unless `electricity` says that it is none.
    """
    match = _SHORT.fullmatch(address)
    if match is None:
        return address
    try:
        code = Obis.parse(f"{match.group(1)}.0{match.group(2) or ''}")
    except ContractError:
        return address
    thermal = not electricity and "-" not in address and code.c in _THERMAL_GROUPS
    return address if thermal or code.a != 1 or lookup(code) is None else str(code)


@lru_cache(maxsize=4096)
def is_text(address: str) -> bool:
    """Whether the values of an address are ids, messages or clocks, whose digits are no number."""
    try:
        code = Obis.parse(address)
    except ContractError:
        return not address[:1].isdigit() or address.startswith(("9.", "0."))
    if code.a == 0 and code.c == 1 and code.d == 0:
        return True
    if code.c == 0 and code.a == 1 and code.d == 1 and code.e == 0:
        return False
    return code.c in _TEXT_GROUPS or code.d in _TEXT_DETAIL.get(code.c, ())


def number(text: str) -> Decimal | None:
    """A decimal of at most 64 digits, exactly; None for any other text."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def measured(text: str) -> tuple[Decimal | str | None, str | None]:
    """Split `value*unit`; the value is text where it is no number, None where it is empty.

    Some meters write the decimal point as a comma (`000007,4*kW`); before a unit it can be nothing else.
    """
    value, star, unit = text.partition("*")
    stripped = value.strip()
    if not stripped:
        return None, spell(unit) if star else None
    found = number(stripped.replace(",", ".", 1) if star and unit.strip() else stripped)
    if found is None:
        return text, None
    return found, (spell(unit) if star and unit.strip() else None)


def record(address: str, text: str, at: MeterTime | None, index: int) -> Record:
    """One group of a data set as a record."""
    if "*" not in text and is_text(address):
        return Record(address, text or None, None, at, None, None, None, index)
    value, unit = measured(text)
    return Record(address, value, unit, at, None, None, None, index)


def p1_stamp(text: str) -> MeterTime | None:
    """DSMR's YYMMDDhhmmssX (DSMR P1 6.4): S is UTC+2, W is UTC+1; without X the offset is unknown. None if no time."""
    if len(text) not in (12, 13) or (len(text) == 13 and text[12] not in "SWsw"):
        return None
    local = _wall_clock(text[:12])
    if local is None or len(text) == 12:
        return MeterTime(local) if local else None
    summer = text[12] in "Ss"
    return _with_offset(local, summer)


def iec_stamp(text: str) -> MeterTime | None:
    """YYMMDDhhmm[ss] with an optional season digit before it: 0 winter, 1 summer, 2 UTC. None if no time."""
    if _IEC_STAMP.fullmatch(text) is None:
        return None
    season, digits = ("", text) if len(text) in (10, 12) else (text[0], text[1:])
    local = _wall_clock(digits.ljust(12, "0"))
    if local is None:
        return None
    if season == "2":
        return MeterTime(local, None, local.replace(tzinfo=UTC))
    return _with_offset(local, season == "1") if season in ("0", "1") else MeterTime(local)


def is_p1_stamp(text: str) -> bool:
    """The shape of a P1 stamp, also of one that is no time (632525252525S)."""
    return _P1_STAMP.fullmatch(text) is not None


def is_iec_stamp(text: str) -> bool:
    """The shape of an IEC 62056-21 stamp."""
    return _IEC_STAMP.fullmatch(text) is not None


def _with_offset(local: datetime, summer: bool) -> MeterTime:
    return MeterTime(local, summer, (local - _CENTRAL_EUROPE[summer]).replace(tzinfo=UTC))


def _wall_clock(digits: str) -> datetime | None:
    if not digits.isascii() or not digits.isdigit():
        return None
    year, month, day, hour, minute, second = (int(digits[i : i + 2]) for i in range(0, 12, 2))
    carry = timedelta(days=1) if hour == 24 and minute == second == 0 else timedelta()
    try:
        return datetime(2000 + year, month, day, 0 if carry else hour, minute, second) + carry  # noqa: DTZ001 - wall clock
    except ValueError:
        return None
