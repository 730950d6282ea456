"""Value information of M-Bus records (EN 13757-3 6.4): what is measured, its unit, and the power of ten."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

_MINUTES, _SECONDS = Decimal(60), Decimal(3600)
_EXTENSION: Final = 0x80
_LOW: Final = 0x7F
_MAKER, _FD, _FB, _TEXT = 0x7F, 0x7D, 0x7B, 0x7C
_CORRECTION: Final = range(0x70, 0x78)
_THOUSAND: Final = 0x7D
_COMBINED: Final = 0x7C
_NO_ERROR: Final = 0x00
_ERRORS: Final = frozenset((*range(0x01, 0x12), *range(0x15, 0x1D)))
_PER: Final = range(0x20, 0x39)
MAX_VIFES: Final = 10
_TIMES: Final = ("s", "min", "h", "d")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code stands for: a name for addresses, the unit ('' for a count, None for none), and the factor."""

    name: str
    unit: str | None = None
    factor: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Vib:
    """A value information block as it was read.

    `more` are the combinable codes that change what is measured, in hex; a factor among them is in `meaning` already.
    `error` is the record's own error code (6.4.5), 0 where there is none.
    """

    meaning: Meaning
    more: tuple[str, ...] = ()
    error: int = 0


def _tens(name: str, unit: str, exponent: int) -> Meaning:
    return Meaning(name, unit, Decimal(1).scaleb(exponent))


def _span(first: int, count: int, name: str, unit: str, exponent: int, by: Decimal = Decimal(1)) -> dict[int, Meaning]:
    return {first + n: Meaning(name, unit, by.scaleb(exponent + n)) for n in range(count)}


def _times(first: int, name: str, units: tuple[str, ...] = _TIMES) -> dict[int, Meaning]:
    return {first + n: Meaning(name, unit) for n, unit in enumerate(units)}


def _named(**codes: int) -> dict[int, Meaning]:
    return {code: Meaning(name.replace("_", "-")) for name, code in codes.items()}


PRIMARY: Final[dict[int, Meaning]] = {
    **_span(0x00, 8, "energy", "Wh", -3),
    **_span(0x08, 8, "energy", "J", 0),
    **_span(0x10, 8, "volume", "m³", -6),
    **_span(0x18, 8, "mass", "kg", -3),
    **_times(0x20, "on-time"),
    **_times(0x24, "operating-time"),
    **_span(0x28, 8, "power", "W", -3),
    **_span(0x30, 8, "power", "J/h", 0),
    **_span(0x38, 8, "flow", "m³/h", -6),
    **_span(0x40, 8, "flow", "m³/h", -7, _MINUTES),
    **_span(0x48, 8, "flow", "m³/h", -9, _SECONDS),
    **_span(0x50, 8, "mass-flow", "kg/h", -3),
    **_span(0x58, 4, "flow-temperature", "°C", -3),
    **_span(0x5C, 4, "return-temperature", "°C", -3),
    **_span(0x60, 4, "temperature-difference", "K", -3),
    **_span(0x64, 4, "external-temperature", "°C", -3),
    **_span(0x68, 4, "pressure", "bar", -3),
    **_named(date=0x6C, time=0x6D),
    0x6E: Meaning("heat-cost-units", ""),
    **_times(0x70, "averaging-duration"),
    **_times(0x74, "actuality-duration"),
    **_named(fabrication=0x78, identification=0x79, bus_address=0x7A, any=0x7E),
}
"""The codes of one octet (table 10)."""
FIRST: Final[dict[int, Meaning]] = {
    **_span(0x00, 4, "credit", "currency", -3),
    **_span(0x04, 4, "debit", "currency", -3),
    **_named(access_number=0x08, medium=0x09, maker_code=0x0A, parameter_set=0x0B, model=0x0C, hardware=0x0D,
             firmware=0x0E, software=0x0F, customer_location=0x10, customer=0x11, password=0x16, error_flags=0x17,
             error_mask=0x18,
             digital_output=0x1A, digital_input=0x1B, baud_rate=0x1C, response_delay=0x1D, retries=0x1E,
             first_storage=0x20, last_storage=0x21, storage_size=0x22, storage_interval_months=0x28,
             storage_interval_years=0x29, tariff_start=0x30, tariff_period_months=0x38, tariff_period_years=0x39),
    **_times(0x24, "storage-interval"),
    **_times(0x2C, "since-readout"),
    **_times(0x31, "tariff-duration", _TIMES[1:]),
    **_times(0x34, "tariff-period"),
    0x3A: Meaning("dimensionless", ""),
    **_span(0x40, 16, "voltage", "V", -9),
    **_span(0x50, 16, "current", "A", -12),
    0x60: Meaning("resets", ""),
    0x61: Meaning("cumulations", ""),
    **_named(control_signal=0x62, day_of_week=0x63, week=0x64, day_change=0x65, parameter_state=0x66, supplier=0x67),
    **_times(0x68, "since-cumulation", ("h", "d", "mo", "a")),
    **_times(0x6C, "battery-time", ("h", "d", "mo", "a")),
    **_named(battery_change=0x70),
    0x71: Meaning("signal", "dBm"),
    0x74: Meaning("battery-left", "d"),
}  # fmt: skip
"""The codes behind FD (table 12)."""
SECOND: Final[dict[int, Meaning]] = {
    **_span(0x00, 2, "energy", "Wh", 5),
    **_span(0x02, 2, "reactive-energy", "varh", 3),
    **_span(0x04, 2, "apparent-energy", "VAh", 3),
    **_span(0x08, 2, "energy", "J", 8),
    **_span(0x10, 2, "volume", "m³", 2),
    **_span(0x14, 4, "reactive-power", "var", 0),
    **_span(0x18, 2, "mass", "kg", 5),
    **_span(0x1A, 2, "humidity", "%", -1),
    **_span(0x28, 2, "power", "W", 5),
    0x2A: _tens("angle-voltages", "°", -1),
    0x2B: _tens("angle", "°", -1),
    **_span(0x2C, 4, "frequency", "Hz", -3),
    **_span(0x30, 2, "power", "J/h", 8),
    **_span(0x34, 4, "apparent-power", "VA", 0),
    **_span(0x74, 4, "temperature-limit", "°C", -3),
    **_span(0x78, 8, "power-limit", "W", -3),
}
"""The codes behind FB (table 14)."""


def _codes(data: bytes, at: int) -> Iterator[int]:
    """The octets of a block, each without its extension bit, to the one that has none."""
    for octet in data[at : at + 1 + MAX_VIFES]:
        yield octet & _LOW
        if not octet & _EXTENSION:
            return


def read_vib(data: bytes, at: int) -> tuple[Vib, int]:
    """The block that begins here, and where it ends; an unknown code is named by its hex. IndexError if torn."""
    first = data[at] & _LOW
    if first == _TEXT:
        return _plain_text(data, at)
    codes = tuple(_codes(data, at))
    end = at + len(codes)
    if len(data) < end or data[end - 1] & _EXTENSION:
        raise IndexError
    if first == _MAKER:
        return Vib(Meaning("maker" + "".join(f"-{code:02x}" for code in codes[1:]))), end
    tables = {_FD: FIRST, _FB: SECOND}
    if first in tables and len(codes) > 1:
        meaning = tables[first].get(codes[1], Meaning(f"vif-{first:02x}{codes[1]:02x}"))
        return _combined(meaning, codes[2:]), end
    return _combined(PRIMARY.get(first, Meaning(f"vif-{first:02x}")), codes[1:]), end


def _plain_text(data: bytes, at: int) -> tuple[Vib, int]:
    """A unit in plain text: its length and its letters, the last one first, before any more codes (6.4.1)."""
    size = data[at + 1]
    end = at + 2 + size
    text = data[at + 2 : end][::-1].decode("latin-1")
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text)[:16]
    codes: tuple[int, ...] = ()
    if data[at] & _EXTENSION:
        codes = tuple(_codes(data, end))
        end += len(codes)
    if len(data) < end:
        raise IndexError
    return _combined(Meaning(f"text-{plain}" if plain else "text"), codes), end


def _combined(meaning: Meaning, codes: tuple[int, ...]) -> Vib:
    """With what combinable codes say (table 15): factors are taken in, an error is told, the others are kept in hex."""
    name, unit, factor = meaning.name, meaning.unit, meaning.factor
    more: list[str] = []
    error = 0
    rest = iter(codes)
    for code in rest:
        if code == _MAKER:
            # from here on all is the maker's own
            more.append(f"{code:02x}" + "".join(f"{own:02x}" for own in rest))
        elif code == _COMBINED:
            more.append(f"{code:02x}{next(rest, 0):02x}")
        elif code in _CORRECTION:
            factor = factor.scaleb(code - 0x76)
        elif code == _THOUSAND:
            factor = factor.scaleb(3)
        elif code in _ERRORS:
            error = error or code
        elif code != _NO_ERROR:
            more.append(f"{code:02x}")
            unit = None if code in _PER else unit
    return Vib(Meaning(name, unit, factor), tuple(more), error)
