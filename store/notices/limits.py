"""What a message of a threshold says: quantity, limit and side, and each meter's value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from broker.contract.obis import Obis, Quantity, lookup
from broker.errors import ContractError
from store.notices.rules import Rule

Side = Literal["above", "below"]
DIGITS: Final = 10
"""Of a number as people read it."""


@dataclass(frozen=True, slots=True)
class Crossed:
    """The limit that a value is beyond; `unit` is empty where the code leaves it open."""

    obis: str
    unit: str
    side: Side
    limit: float

    @property
    def words(self) -> str:
        """As a sentence has it."""
        return f"{self.side} {_number(self.limit, self.unit)}"


def crossed(rule: Rule, value: float | None) -> Crossed | None:
    """Which limit of a rule about a threshold a value is beyond; None of other rules, or of one that has changed."""
    if rule.obis is None or value is None:
        return None
    quantity = _quantity(rule.obis)
    unit = (quantity.unit or "") if quantity else ""
    if rule.above is not None and value > rule.above:
        return Crossed(rule.obis, unit, "above", rule.above)
    if rule.below is not None and value < rule.below:
        return Crossed(rule.obis, unit, "below", rule.below)
    return None


def says(rule: Rule, values: Sequence[float | None]) -> str:
    """`Power, net (1-0:16.7.0) above 30 kW.`; empty where no value is beyond a limit."""
    found = [one for one in (crossed(rule, value) for value in values) if one is not None]
    if not found:
        return ""
    quantity = _quantity(found[0].obis)
    name = f"{quantity.name} ({found[0].obis})" if quantity else found[0].obis
    return f"{name} {' or '.join(dict.fromkeys(one.words for one in found))}."


def with_value(name: str, rule: Rule, value: float | None) -> str:
    """`ISK:1 at 35.2 kW`; of what is no threshold the name alone."""
    found = crossed(rule, value)
    return name if found is None or value is None else f"{name} at {_number(value, found.unit)}"


def _quantity(code: str) -> Quantity | None:
    try:
        return lookup(Obis.parse(code))
    except ContractError:
        # that a rule has a code that is none must not silence the others
        return None


def _number(value: float, unit: str) -> str:
    return f"{value:.{DIGITS}g} {unit}".rstrip()
