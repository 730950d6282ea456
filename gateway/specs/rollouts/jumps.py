"""Whether a meter's readings by a new spec version can follow on those by the old one. Pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

HOURLY: Final = {"m³": 1000.0, "GJ": 100.0}
"""More in an hour passes through no meter of the catalogue."""
RATIO: Final = {"V": 2.0, "Hz": 1.2}
"""By which factor a quantity may differ that hardly changes: a shifted decimal point is a factor of ten."""
POWER: Final = ("kW", "kvar", "kVA")
ENERGY: Final = ("kWh", "kvarh", "kVAh")
ROUNDING: Final = 1.0
"""A register that shows fewer digits may seem to fall or rise by this much."""
CLOCKS_S: Final = 120.0
"""Two versions may take a reading's time from different clocks."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A series' last reading by the old version, and one by the new."""

    obis: str
    unit: str
    kind: str
    old: float
    old_at: datetime
    new: float
    new_at: datetime


def implausible(pairs: Iterable[Pair], max_kw: float) -> tuple[str, ...]:
    """What can't be, in words; nothing where `max_kw` is 0."""
    if not max_kw:
        return ()
    found = (_wrong(pair, max_kw) for pair in pairs)
    return tuple(dict.fromkeys(what for what in found if what))


def _wrong(pair: Pair, max_kw: float) -> str:
    values = f"from {pair.old:g} to {pair.new:g} {pair.unit}"
    if pair.kind == "register":
        hourly = max_kw if pair.unit in ENERGY else HOURLY.get(pair.unit)
        hours = ((pair.new_at - pair.old_at).total_seconds() + CLOCKS_S) / 3600
        if hourly is None:
            return ""
        if pair.new < pair.old - ROUNDING:
            return f"{pair.obis} fell {values}"
        if pair.new > pair.old + ROUNDING + hourly * hours:
            return f"{pair.obis} jumped {values}"
    elif pair.unit in POWER and abs(pair.new) > max_kw >= abs(pair.old):
        return f"{pair.obis} is {pair.new:g} {pair.unit}"
    elif pair.unit in RATIO and pair.old > 0 and pair.new > 0:
        ratio = pair.new / pair.old
        if max(ratio, 1 / ratio) > RATIO[pair.unit]:
            return f"{pair.obis} went {values}"
    return ""
