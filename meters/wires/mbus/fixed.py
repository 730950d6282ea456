"""The fixed data structure of older M-Bus meters (EN 1434-3:1997, 6.5): two counters with a unit each."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from meters.telegram import Record

_BYTES: Final = 16
_BINARY, _STORED = 0x01, 0x02
_SAME_BUT_STORED: Final = 0x3E
_STEPS: Final = (
    (0x02, 9, "energy", "Wh", 0),
    (0x0B, 9, "energy", "J", 3),
    (0x14, 9, "power", "W", 0),
    (0x1D, 9, "power", "J/h", 3),
    (0x26, 9, "volume", "m³", -6),
    (0x2F, 9, "flow", "m³/h", -6),
)
"""First code of each quantity, how many there are, its name, unit, and the power of ten of the first one."""
_OBIS: Final = {
    0x02: {"energy": "1-0:1.8.0", "power": "1-0:16.7.0"},
    0x03: {"volume": "7-0:3.0.0"},
    0x06: {"volume": "9-0:1.0.0", "flow": "9-0:2.0.0"},
    0x07: {"volume": "8-0:1.0.0", "flow": "8-0:2.0.0"},
    0x04: {"energy": "6-0:1.0.0", "volume": "6-0:2.0.0", "power": "6-0:8.0.0", "flow": "6-0:9.0.0"},
    0x0A: {"energy": "5-0:1.0.0", "volume": "5-0:2.0.0", "power": "5-0:8.0.0", "flow": "5-0:9.0.0"},
}


@dataclass(frozen=True, slots=True)
class FixedData:
    """What the sixteen octets say; `status` has the bits of the variable structure's (power low, errors)."""

    serial: str
    medium: int
    status: int
    records: tuple[Record, ...]


def fixed_records(user: bytes) -> FixedData | None:
    """Both counters; None where the data have another length."""
    if len(user) != _BYTES:
        return None
    flags, units = user[5], (user[6], user[7])
    medium = units[0] >> 6 | (units[1] >> 6) << 2
    records: list[Record] = []
    for unit, octets in zip((code & 0x3F for code in units), (user[8:12], user[12:16]), strict=True):
        stored = bool(flags & _STORED) or unit == _SAME_BUT_STORED
        code = units[0] & 0x3F if unit == _SAME_BUT_STORED else unit
        name, spelled, factor = _quantity(code)
        number = _counter(octets, binary=bool(flags & _BINARY))
        address = _OBIS.get(medium, {}).get(name, name) if not stored else f"{name}/s1"
        index = sum(one.address == address for one in records)
        value = None if number is None else number * factor
        records.append(Record(address, value, spelled, None, flags & 0xFC, None, None, index))
    return FixedData(user[3::-1].hex().upper(), medium, flags & 0xFC, tuple(records))


def _counter(octets: bytes, *, binary: bool) -> Decimal | None:
    if binary:
        return Decimal(int.from_bytes(octets, "little"))
    text = octets[::-1].hex()
    return Decimal(text) if text.isdecimal() else None


def _quantity(code: int) -> tuple[str, str | None, Decimal]:
    for first, count, name, unit, exponent in _STEPS:
        if first <= code < first + count:
            return name, unit, Decimal(1).scaleb(exponent + code - first)
    if code == 0x38:
        return "temperature", "°C", Decimal("0.001")
    if code == 0x39:
        return "heat-cost-units", "", Decimal(1)
    return f"counter-{code:02x}", None, Decimal(1)
