"""Which OBIS code an announced entity is, by its device class, state class, unit and the words of its name."""

import re
from dataclasses import dataclass
from typing import Final

from intake.bridge.discovery.announcement import Entity

_EXPORT: Final = re.compile(
    r"export|return|deliver|inject|feed.?in|produc|output|\bout\b|yield|generat|solar|\bpv\b|einspeis|lieferung"
    r"|(?:^|[^a-z])t?po\d?$|2[._]8[._]\d",
)
_PHASE: Final = re.compile(r"(?:^|[^a-z0-9])(?:l|phase[ _-]?)([123abc])(?:[^a-z0-9]|$)|(?:^|[^a-z])[ui]([123])$")
_TARIFF: Final = re.compile(r"(?:tariff|tarif|rate|(?:^|[^a-z0-9])t)[ _-]?([1-9])(?:[^0-9]|$)|[12][._]8[._]([1-9])")
_PARTIAL: Final = re.compile(
    r"today|yesterday|daily|\bday\b|monthly|\bmonth\b|year|hourly|\bhour\b|session|period|since|\bcost\b|price"
    r"|yieldday|heute|gestern|tag\b|monat"
)
"""Energies of a part of time: no register, as they begin again at 0."""
_PHASES: Final = {"1": 20, "2": 40, "3": 60, "a": 20, "b": 40, "c": 60}
_GROUPS: Final = {
    "voltage": 12, "current": 11, "power_factor": 13, "frequency": 14, "reactive_power": 3, "apparent_power": 9,
}  # fmt: skip
"""Value group C of quantities of the moment (IEC 62056-6-1)."""
_UNITS: Final = {
    "power": {"W": 1e-3, "kW": 1.0, "MW": 1e3},
    "energy": {"Wh": 1e-3, "kWh": 1.0, "MWh": 1e3, "GWh": 1e6},
    "voltage": {"V": 1.0, "mV": 1e-3, "kV": 1e3},
    "current": {"A": 1.0, "mA": 1e-3},
    "frequency": {"Hz": 1.0},
    "power_factor": {"": 1.0, "%": 0.01},
    "reactive_power": {"var": 1e-3, "VAr": 1e-3, "VAR": 1e-3, "kvar": 1.0},
    "apparent_power": {"VA": 1e-3, "kVA": 1.0},
    "reactive_energy": {"varh": 1e-3, "kvarh": 1.0},
    "gas": {"m³": 1.0, "m3": 1.0},
    "water": {"m³": 1.0, "m3": 1.0, "L": 1e-3},
}
"""What one of a device's unit is in the canonical one, by device class."""
_REGISTERS: Final = {"gas": "7-0:3.0.0", "water": "8-0:1.0.0"}


@dataclass(frozen=True, slots=True)
class Quantified:
    """What an entity measures: the code, and what to multiply by for the code's canonical unit."""

    obis: str
    factor: float


def quantity_of(entity: Entity) -> Quantified | str:
    """The code of an entity, or why it has none."""
    units = _UNITS.get(entity.device_class)
    if units is None:
        return f"device_class {entity.device_class or 'none'!r} is no quantity of a meter"
    factor = units.get(entity.unit)
    if factor is None:
        return f"unit {entity.unit!r} is none of {entity.device_class}"
    words = f"{entity.unique_id} {entity.name}".lower()
    register = entity.device_class in ("energy", "reactive_energy", *_REGISTERS)
    if register and (entity.state_class not in ("total", "total_increasing") or entity.last_reset):
        return f"state_class {entity.state_class or 'none'!r}, or one with a reset, is no register that rises for good"
    if register and _PARTIAL.search(words):
        return "its name says that it counts a part of time only"
    return Quantified(_code(entity.device_class, words), factor)


def _code(device_class: str, words: str) -> str:
    if device_class in _REGISTERS:
        return _REGISTERS[device_class]
    found = _PHASE.search(words)
    base = _PHASES[next(one for one in found.groups() if one)] if found else 0
    out = _EXPORT.search(words) is not None
    if device_class in ("energy", "reactive_energy"):
        direction = (2 if out else 1) + (2 if device_class == "reactive_energy" else 0)
        tariff = _TARIFF.search(words)
        rate = next(one for one in tariff.groups() if one) if tariff else "0"
        return f"1-0:{base + direction}.8.{rate}"
    if device_class == "power":
        return f"1-0:{base + (2 if out else 16)}.7.0"
    group = _GROUPS[device_class]
    # of one phase alone: what hangs at the first
    if base == 0 and device_class in ("voltage", "current"):
        base = 20
    return f"1-0:{base + group}.7.0"
