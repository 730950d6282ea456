"""What an OBIS code is to Home Assistant: device class, state class, unit and precision.

By Home Assistant 2026.2, components/sensor/const.py; tests/data/home-assistant.json has what is held against it.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from broker.contract.obis import Kind, Obis, lookup
from broker.errors import ContractError

StateClass = Literal["measurement", "total", "total_increasing"]

_BY_UNIT: Final[dict[str, tuple[str | None, int]]] = {
    "kWh": ("energy", 3), "MWh": ("energy", 3), "GJ": ("energy", 3), "kvarh": ("reactive_energy", 3),
    "kVAh": (None, 3), "kW": ("power", 3), "kvar": ("reactive_power", 3), "kVA": ("apparent_power", 3),
    "V": ("voltage", 1), "A": ("current", 2), "Hz": ("frequency", 2), "m³": ("volume", 3),
    "m³/h": ("volume_flow_rate", 3), "°C": ("temperature", 1), "K": (None, 1), "°": (None, 1),
}  # fmt: skip
"""Device class and decimals by our units."""
_TOTALS: Final = frozenset({"energy", "reactive_energy", "volume", "gas", "water"})
"""Device classes that Home Assistant takes as totals only."""
_POWER_FACTORS: Final = frozenset({13, 33, 53, 73})
_NETS: Final = frozenset({16, 131, 151, 171, 191, 36, 56, 76})
"""Import less export (C of IEC 62056-6-1): registers that fall as they rise."""
_GAS_TYPES: Final = frozenset({3})
_WATER_TYPES: Final = frozenset({6, 7, 21, 22, 40})
"""Device types of M-Bus (EN 13757-3): hot, plain, cold and dirty water."""
_SUB_METERS_C: Final = 24
_NAMES: Final = {"gas": "Gas volume", "water": "Water volume"}
"""Names of a sub-meter's register, where it is known what runs through it."""


@dataclass(frozen=True, slots=True)
class Entity:
    """One sensor of a meter; `register` where a fall of its value would be taken for a new beginning at zero."""

    obis: str
    name: str
    unit: str | None
    device_class: str | None
    state_class: StateClass | None
    precision: int | None
    diagnostic: bool = False

    @property
    def register(self) -> bool:
        """Whether it only rises, as a meter's register does."""
        return self.state_class == "total_increasing"


def entity_of(code: str, unit: str, device_type: str | None = None) -> Entity | None:
    """The sensor of a code; None for what Home Assistant has no use for.

    `device_type` is what a sub-meter is, as its carrier says (0-n:24.1.0). Left out are registers of past billing
    periods, and energy of intervals, which is in the register already.
    """
    obis = _parsed(code)
    quantity = None if obis is None or obis.f != 255 else lookup(obis)
    if obis is None or quantity is None:
        return None
    name, plain = quantity.name, unit or None
    if quantity.kind is Kind.STATUS:
        return Entity(code, name, plain, None, None, None, diagnostic=True)
    if quantity.kind is Kind.COUNTER:
        return Entity(code, name, plain, None, "total_increasing", 0, diagnostic=True)
    device_class, precision = _device_class(obis, unit, device_type)
    if _of_sub_meter(obis):
        name = _NAMES.get(device_class or "", name)
    if quantity.kind is Kind.REGISTER:
        state: StateClass = "total" if obis.a == 1 and obis.c in _NETS else "total_increasing"
        return Entity(code, name, plain, device_class if _total(device_class) else None, state, precision)
    return None if _total(device_class) else Entity(code, name, plain, device_class, "measurement", precision)


def _parsed(code: str) -> Obis | None:
    try:
        return Obis.parse(code)
    except ContractError:
        return None


def _device_class(obis: Obis, unit: str, device_type: str | None) -> tuple[str | None, int]:
    device_class, precision = _BY_UNIT.get(unit, (None, 3))
    if not unit and obis.a == 1 and obis.c in _POWER_FACTORS:
        device_class = "power_factor"
    return _volume(obis, device_type) if device_class == "volume" else device_class, precision


def _total(device_class: str | None) -> bool:
    return device_class in _TOTALS


def _volume(obis: Obis, device_type: str | None) -> str:
    if obis.a == 7:
        return "gas"
    if obis.a in (8, 9):
        return "water"
    if _of_sub_meter(obis):
        kind = int(device_type) if device_type and re.fullmatch(r"[0-9]{1,3}", device_type) else None
        return "gas" if kind in _GAS_TYPES else "water" if kind in _WATER_TYPES else "volume"
    return "volume"


def _of_sub_meter(obis: Obis) -> bool:
    return obis.a == 0 and obis.c == _SUB_METERS_C
