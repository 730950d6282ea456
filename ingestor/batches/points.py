"""What one series measures: a code with its unit, as the catalogue knows them."""

from dataclasses import dataclass
from functools import lru_cache

from broker.contract.obis import Obis, lookup
from broker.errors import ContractError

UNKNOWN_KIND = "unknown"


@dataclass(frozen=True, slots=True)
class Point:
    """What one series measures: canonical OBIS text, unit, and the catalogue's word for its kind."""

    obis: str
    unit: str
    kind: str


@lru_cache(maxsize=8192)
def point(code: str, unit: str | None) -> Point:
    """The series that a code belongs to; `unit` is what the message says where the catalogue leaves it open.

    Raises ContractError for a code with a group above 255, or a unit that contradicts the catalogue.
    """
    obis = Obis.parse(code)
    quantity = lookup(obis)
    if quantity is None or quantity.unit is None:
        if unit is not None and not unit.isprintable():
            raise ContractError("has characters that can't be printed", field=f"units.{code}")
        return Point(str(obis), unit or "", UNKNOWN_KIND if quantity is None else str(quantity.kind))
    if unit is not None and unit != quantity.unit:
        raise ContractError(
            f"{unit[:40]!r} is not its unit", field=f"units.{code}", fix=f"send it in {quantity.unit or 'no unit'}"
        )
    return Point(str(obis), quantity.unit, str(quantity.kind))


def spelling(code: str, unit: str | None) -> str:
    """The key of a code as a message writes it, in `Meter.series`."""
    return code if unit is None else f"{code} {unit}"
