"""Which values a quantity can have at all: wide bounds, and what lies beyond is a fault of a meter or a device."""

from typing import Final, TypeAlias

from broker.contract.obis import Kind, Obis, lookup
from broker.errors import ContractError

Bounds: TypeAlias = tuple[float, float]
"""The least and the greatest plausible value, in the canonical unit."""
ANYTHING: Final[Bounds] = (-1e15, 1e15)
"""Of codes that the catalogue does not know: whole numbers up to here are exact, and sums of them can't overflow."""
ALWAYS: Final[Bounds] = (0.0, 720.0)
"""What lies between these is plausible for every quantity."""
# Of the largest substation, transformer or pipeline over decades, not of a household.
_ENERGY: Final = (-1e11, 1e11)
_POWER: Final = (-1e7, 1e7)
_BY_UNIT: Final[dict[str, Bounds]] = {
    "kWh": _ENERGY,
    "kvarh": _ENERGY,
    "kVAh": _ENERGY,
    "kW": _POWER,
    "kvar": _POWER,
    "kVA": _POWER,
    "V": (-1e6, 1e6),
    "A": (-1e6, 1e6),
    "Hz": (0.0, 1e3),
    "°": (-720.0, 720.0),
    "%": (-1e4, 1e4),
    "s": (-1e10, 1e10),
    "m³": (-1e11, 1e11),
    "m³/h": (-1e7, 1e7),
    "GJ": (-1e11, 1e11),
    "°C": (-300.0, 2000.0),
    "K": (-2000.0, 2000.0),
}
_RATIO: Final = (-1000.0, 1000.0)
"""A power factor, also of meters that send it in per cent."""
_MEASURED: Final = (Kind.INSTANTANEOUS, Kind.INTERVAL, Kind.MAXIMUM)
_KEPT: Final = 8192


def bounds_of(code: str, unit: str | None = None) -> Bounds:
    """Between which values one of this code is plausible; `unit` counts where the catalogue leaves it open."""
    try:
        quantity = lookup(Obis.parse(code))
    except ContractError:
        return ANYTHING
    if quantity is None or quantity.unit is None:
        return _BY_UNIT.get(unit or "", ANYTHING)
    if quantity.unit == "" and quantity.kind in _MEASURED:
        return _RATIO
    return _BY_UNIT.get(quantity.unit, ANYTHING)


class BoundsByCode(dict[str, Bounds]):
    """The bounds of codes without a unit of their own, remembered up to a bound at which all are forgotten."""

    def __missing__(self, code: str) -> Bounds:
        """Look the code up."""
        if len(self) >= _KEPT:
            self.clear()
        found = self[code] = bounds_of(code)
        return found
