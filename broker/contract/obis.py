"""OBIS codes (IEC 62056-6-1), what each one measures, and its canonical unit."""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Self

from broker.errors import ContractError

_CODE = re.compile(r"(?:([0-9]{1,3})-([0-9]{1,3}):)?([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})(?:[*&.]([0-9]{1,3}))?")


@dataclass(frozen=True, slots=True, order=True)
class Obis:
    """One code; each group is 0 to 255 and all six count in equality. F is 255 where no billing period is meant."""

    a: int
    b: int
    c: int
    d: int
    e: int
    f: int = 255

    def __post_init__(self) -> None:
        if not all(0 <= group <= 255 for group in (self.a, self.b, self.c, self.d, self.e, self.f)):
            raise ContractError("a group is above 255", field="obis", fix="each group of A-B:C.D.E*F is 0 to 255")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1-0:1.8.0`, `1-0:1.8.0*255`, `1-0:1.8.0.255`, or reduced `1.8.0`, `1.8.0*02`, `1.8.0&02` (A-B is 1-0).

        Raises ContractError for anything else.
        """
        match = _CODE.fullmatch(text)
        if match is None:
            raise ContractError(f"{text[:40]!r} is no OBIS code", field="obis", fix="write it as 1-0:1.8.0 or 1.8.0*02")
        a, b, c, d, e, f = match.groups()
        return cls(int(a or 1), int(b or 0), int(c), int(d), int(e), 255 if f is None else int(f))

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """Read the six octets of SML and DLMS. Raises ContractError for another length."""
        if len(octets) != 6:
            raise ContractError(f"{len(octets)} octets", field="obis", fix="an OBIS code has six octets")
        return cls(*octets)

    def __str__(self) -> str:
        code = f"{self.a}-{self.b}:{self.c}.{self.d}.{self.e}"
        return code if self.f == 255 else f"{code}*{self.f}"


class Kind(StrEnum):
    """How a quantity behaves over time."""

    REGISTER = "register"
    INSTANTANEOUS = "instantaneous"
    INTERVAL = "interval"
    MAXIMUM = "maximum"
    COUNTER = "counter"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a code measures. `unit` is canonical: '' where dimensionless, None where the code leaves it open."""

    name: str
    unit: str | None
    kind: Kind


_POWER = {
    1: ("active", "import", "W"),
    2: ("active", "export", "W"),
    3: ("reactive", "import", "var"),
    4: ("reactive", "export", "var"),
    5: ("reactive", "quadrant I", "var"),
    6: ("reactive", "quadrant II", "var"),
    7: ("reactive", "quadrant III", "var"),
    8: ("reactive", "quadrant IV", "var"),
    9: ("apparent", "import", "VA"),
    10: ("apparent", "export", "VA"),
    15: ("active", "absolute", "W"),
    16: ("active", "net", "W"),
    17: ("active", "quadrant I", "W"),
    18: ("active", "quadrant II", "W"),
    19: ("active", "quadrant III", "W"),
    20: ("active", "quadrant IV", "W"),
}
_PLAIN = {11: ("current", "A"), 12: ("voltage", "V"), 13: ("power factor", ""), 14: ("frequency", "Hz")}
_SHARED = {90: ("sum of currents", "A"), 91: ("neutral current", "A"), 92: ("neutral voltage", "V")}
_PHASES = ("", " L1", " L2", " L3")
_REGISTERS = {8: "", 9: " since billing", 10: " since reset"} | {d: f", time integral {d - 10}" for d in range(17, 21)}
_PERIODS = {1: ("cumulative minimum ", Kind.REGISTER), 2: ("cumulative maximum ", Kind.REGISTER),
            3: ("minimum ", Kind.INTERVAL), 4: ("running average ", Kind.INSTANTANEOUS),
            5: ("last average ", Kind.INTERVAL), 6: ("maximum ", Kind.MAXIMUM)}  # fmt: skip
_DEMANDS = {0: ("billing average ", "", Kind.INTERVAL), 7: ("", "", Kind.INSTANTANEOUS)} | {
    10 * (period - 1) + d: (prefix, f", averaging period {period}" if period > 1 else "", kind)
    for period in (1, 2, 3)
    for d, (prefix, kind) in _PERIODS.items()
}
_ANGLES = {
    **{n: f"voltage L{n + 1}" for n in range(3)},
    **{n + 4: f"current L{n + 1}" for n in range(3)},
    7: "neutral current",
}
_ABSTRACT = {
    (17, 0): ("load limit", None, Kind.STATUS),
    (96, 3): ("switch position", "", Kind.STATUS),
    (96, 10): ("load profile status", "", Kind.STATUS),
    (96, 14): ("active tariff", "", Kind.STATUS),
}
_SUB_METER = {1: ("device type", "", Kind.STATUS), 4: ("valve position", "", Kind.STATUS)}
_NET_REACTIVE = (131, 151, 171, 191)
"""Reactive import less export: of all phases, and of each."""
_MEDIA = {
    (7, 3): ("gas volume", "m³", Kind.REGISTER),
    (8, 1): ("cold water volume", "m³", Kind.REGISTER),
    (8, 2): ("cold water flow", "m³/h", Kind.INSTANTANEOUS),
    (9, 1): ("hot water volume", "m³", Kind.REGISTER),
    (9, 2): ("hot water flow", "m³/h", Kind.INSTANTANEOUS),
} | {
    (a, c): (f"{medium} {name}", unit, kind)
    for a, medium in ((5, "cooling"), (6, "heat"))
    for c, name, unit, kind in (
        (1, "energy", None, Kind.REGISTER),
        (2, "carrier volume", "m³", Kind.REGISTER),
        (8, "power", "kW", Kind.INSTANTANEOUS),
        (9, "carrier flow", "m³/h", Kind.INSTANTANEOUS),
        (10, "flow temperature", "°C", Kind.INSTANTANEOUS),
        (11, "return temperature", "°C", Kind.INSTANTANEOUS),
        (12, "temperature difference", "K", Kind.INSTANTANEOUS),
    )
}


@lru_cache(maxsize=4096)
def lookup(code: Obis) -> Quantity | None:
    """What the code measures by the rules of IEC 62056-6-1; None for texts, clocks, ids and codes without a rule."""
    if code.a == 1:
        found = _electricity(code)
    elif code.a == 0:
        found = _general(code)
    else:
        medium = _MEDIA.get((code.a, code.c)) if code.d in (0, 1, 2) else None
        found = Quantity(*medium) if medium else None
    if found is None:
        return None
    name = found.name[0].upper() + found.name[1:] + (f", billing period {code.f}" if code.f != 255 else "")
    return Quantity(name, found.unit, found.kind)


def name_of(code: str) -> str:
    """A code's name in plain English: `Power L1, import`; '' for a text that is no code, and a code without a rule."""
    try:
        quantity = lookup(Obis.parse(code))
    except ContractError:
        return ""
    return quantity.name if quantity else ""


@lru_cache(maxsize=4096)
def unit_is_open(code: str) -> bool:
    """Whether the OBIS catalogue leaves a code's unit open, so that a message must name it."""
    try:
        quantity = lookup(Obis.parse(code))
    except ContractError:
        return True
    return quantity is None or quantity.unit is None


def _electricity(code: Obis) -> Quantity | None:
    if code.c == 81 and code.d == 7:
        return Quantity(_angle(code.e), "°", Kind.INSTANTANEOUS)
    if code.c in _SHARED and code.d in _DEMANDS:
        name, unit = _SHARED[code.c]
        prefix, period, kind = _DEMANDS[code.d]
        return Quantity(f"{prefix}{name}{period}", unit, kind)
    if code.c == 96:
        about = _ABSTRACT[96, 10] if code.d == 10 else ("power failures", "", Kind.COUNTER) if code.d == 7 else None
        return Quantity(*about) if about else None
    if not 1 <= code.c <= 80:
        net = code.c in _NET_REACTIVE
        return _power(code, "reactive", "net", "var", _PHASES[_NET_REACTIVE.index(code.c)]) if net else None
    phase, base = divmod(code.c - 1, 20)
    if base + 1 in _POWER:
        return _power(code, *_POWER[base + 1], _PHASES[phase])
    return _measured(code, *_PLAIN[base + 1], _PHASES[phase])


def _angle(e: int) -> str:
    """Between which two; E is ten times the one that is measured against, plus the other (IEC 62056-6-1)."""
    to, of = divmod(e, 10)
    return f"phase angle, {_ANGLES[of]} to {_ANGLES[to]}" if of in _ANGLES and to in _ANGLES else f"phase angle {e}"


def _power(code: Obis, sort: str, direction: str, unit: str, phase: str) -> Quantity | None:
    tariff = f", tariff {code.e}" if 1 <= code.e <= 63 else ""
    # active is what everybody means by power and energy
    sort = "" if sort == "active" else f"{sort} "
    if code.d in _REGISTERS:
        name = f"{sort}energy{phase}, {direction}{_REGISTERS[code.d]}{tariff}"
        return Quantity(name, f"k{unit}h", Kind.REGISTER)
    if code.d in (29, 30):
        return Quantity(f"{sort}energy{phase} of the interval, {direction}{tariff}", f"k{unit}h", Kind.INTERVAL)
    if code.d in _DEMANDS:
        prefix, period, kind = _DEMANDS[code.d]
        return Quantity(f"{prefix}{sort}power{phase}, {direction}{period}{tariff}", f"k{unit}", kind)
    return None


def _measured(code: Obis, name: str, unit: str, phase: str) -> Quantity | None:
    if code.d in (32, 36):
        fault = {32: "sags", 36: "swells"}[code.d]
        return Quantity(f"{name} {fault}{phase}", "", Kind.COUNTER)
    if code.d in (31, 35):
        limit = {31: "lower", 35: "upper"}[code.d]
        return Quantity(f"{name}{phase}, {limit} threshold", unit, Kind.STATUS)
    if code.d in (33, 37):
        fault = {33: "sags", 37: "swells"}[code.d]
        return Quantity(f"duration of {name} {fault}{phase}", "s", Kind.INTERVAL)
    if code.d not in _DEMANDS:
        return None
    prefix, period, kind = _DEMANDS[code.d]
    if unit in ("A", "V") and code.e == 124:
        return Quantity(f"{prefix}{name}{phase}, harmonic distortion{period}", "%", kind)
    harmonic = f", harmonic {code.e}" if unit in ("A", "V") and 1 <= code.e <= 120 else ""
    return Quantity(f"{prefix}{name}{phase}{harmonic}{period}", unit, kind)


def _general(code: Obis) -> Quantity | None:
    if code.c == 24 and code.d in _SUB_METER:
        return Quantity(*_SUB_METER[code.d])
    if code.c == 24 and code.d in (2, 3):
        return Quantity("sub-meter register", None, Kind.REGISTER)
    if code.c == 96 and code.d == 7:
        if code.e == 19:
            return Quantity("duration of power failures", "s", Kind.INTERVAL)
        return Quantity("long power failures" if code.e == 9 else "power failures", "", Kind.COUNTER)
    found = _ABSTRACT.get((code.c, code.d))
    return Quantity(*found) if found else None


_MULTIPLES = {"m": -3, "": 0, "k": 3, "M": 6, "G": 9}
_BASES = ("Wh", "varh", "VAh", "W", "var", "VA", "V", "A", "Hz")
_CANONICAL = {"Wh": "kWh", "varh": "kvarh", "VAh": "kVAh", "W": "kW", "var": "kvar", "VA": "kVA"}
_UNITS: dict[str, tuple[str, Decimal]] = {
    "": ("", Decimal(1)),
    "m³": ("m³", Decimal(1)),
    "l": ("m³", Decimal("0.001")),
    "J": ("GJ", Decimal("1E-9")),
    "kJ": ("GJ", Decimal("1E-6")),
    "MJ": ("GJ", Decimal("0.001")),
    "GJ": ("GJ", Decimal(1)),
    "s": ("s", Decimal(1)),
    "min": ("s", Decimal(60)),
    "h": ("s", Decimal(3600)),
    "d": ("s", Decimal(86400)),
    "l/h": ("m³/h", Decimal("0.001")),
}
for _base in _BASES:
    for _prefix, _power_of_ten in _MULTIPLES.items():
        _target = _CANONICAL.get(_base, _base)
        _shift = _power_of_ten - (3 if _target != _base else 0)
        _UNITS[_prefix + _base] = (_target, Decimal(f"1E{_shift}"))
_SPELLINGS = {
    "m3": "m³",
    "Nm3": "m³",
    "dm3": "l",
    "m3ph": "m³/h",
    "m3/h": "m³/h",
    "m3h": "m³/h",
    "l/h": "l/h",
    "lph": "l/h",
    "c": "°C",
    "degc": "°C",
    "deg": "°",
    "sec": "s",
    "°": "°",
    "°c": "°C",
    "k": "K",
}
_BY_LOWER = {name.lower(): name for name in reversed(list(_UNITS)) if not name.startswith(("m", "M"))} | {
    name.lower(): name for name in _UNITS if name.startswith("M") or name == "m³"
}
_BY_LOWER |= {name.lower(): unit for name, unit in _SPELLINGS.items()}


@lru_cache(maxsize=512)
def spell(unit: str) -> str:
    """A wire's unit as Wattline spells it (`m3` is `m³`, `KWH` is `kWh`, `C` is `°C`); unknown ones as they stand."""
    if unit in _UNITS:
        return unit
    return _BY_LOWER.get(unit.strip().lower(), unit.strip())


def canonical(code: Obis, value: Decimal, unit: str | None) -> tuple[Decimal, str]:
    """The value in the code's canonical unit, exactly, with that unit.

    A value without unit is taken to be in the code's own. Where the catalogue leaves the unit open or does not know
    the code, the wire's unit decides. Raises ContractError where the dimension does not fit.
    """
    quantity = lookup(code)
    wanted = quantity.unit if quantity else None
    if unit is None:
        return value, wanted or ""
    target, factor = _UNITS.get(spell(unit), (spell(unit), Decimal(1)))
    if wanted is not None and target != wanted:
        raise ContractError(f"{unit[:20]!r} does not measure {code}", field=str(code), fix=f"its unit is {wanted!r}")
    return (value if factor == 1 else _scaled(value, factor)), target


def _scaled(value: Decimal, factor: Decimal) -> Decimal:
    _, digits, exponent = factor.as_tuple()
    if digits == (1,) and isinstance(exponent, int) and value.is_finite():
        parts = value.as_tuple()
        if isinstance(parts.exponent, int):
            return Decimal((parts.sign, parts.digits, parts.exponent + exponent))
    return value * factor
