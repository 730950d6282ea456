"""The quantities of one record: numbers in canonical units by OBIS code, and faults by the mapping's field."""

from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from broker.contract.obis import Obis, unit_is_open
from broker.errors import ContractError
from meters.mappings.document import ByCode, Form, Mapping, Value
from meters.mappings.expressions import is_true, text_of
from meters.mappings.numbers import NumberError, converted, in_canonical_unit, number_of
from meters.mappings.records import Record
from meters.mappings.types import Mapped


@dataclass(slots=True)
class Quantities:
    """Values by code; `units` has those of codes whose unit the OBIS catalogue leaves open."""

    values: dict[str, Decimal] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)

    def enter(self, code: Obis, value: Decimal, unit: str) -> None:
        """Take a value in its code's canonical unit."""
        name = str(code)
        self.values[name] = value
        if unit_is_open(name):
            self.units[name] = unit


def quantities_of(mapping: Mapping, record: Record, result: Mapped) -> Quantities:
    """All that a record says by the mapping; what can't be taken is a fault in the result."""
    found = Quantities()
    for code, rule in mapping.values.items():
        _one(mapping.format, record, code, rule, found, result)
    if mapping.by_code is not None:
        _coded(mapping.format, record, mapping.by_code, found, result)
    return found


def _one(form: Form, record: Record, code: str, rule: Value, found: Quantities, result: Mapped) -> None:
    name = f"values.{code}"
    if rule.when is not None and not is_true(record.value(result, f"{name}.when", rule.when)):
        return
    faulty = result.faulty
    given = record.value(result, name, rule.path)
    if given is None or given == "":
        if not rule.optional and result.faulty == faulty:
            result.fault(record.place, name, f"{rule.path} is missing")
        return
    try:
        found.enter(_obis(code), *in_canonical_unit(_obis(code), rule, _number(form, given)))
    except NumberError as error:
        result.fault(record.place, name, str(error))


def _coded(form: Form, record: Record, rule: ByCode, found: Quantities, result: Mapped) -> None:
    faulty = result.faulty
    written = text_of(record.value(result, "by_code.code", rule.code))
    given = record.value(result, "by_code.value", rule.value)
    if written is None or given is None or given == "":
        if not rule.optional and result.faulty == faulty:
            result.fault(record.place, "by_code", f"{rule.code if written is None else rule.value} is missing")
        return
    try:
        code = _obis(written.strip())
    except ContractError as error:
        if not rule.optional:
            result.fault(record.place, "by_code.code", error.reason)
        return
    unit = text_of(record.value(result, "by_code.unit", rule.unit)) if rule.unit is not None else None
    if unit is None and unit_is_open(str(code)):
        result.fault(record.place, "by_code.unit", f"is missing, and {code} has none of its own")
        return
    try:
        found.enter(code, *converted(code, _number(form, given), unit))
    except NumberError as error:
        result.fault(record.place, f"by_code {code}", str(error))


def _number(form: Form, given: Any) -> Decimal:
    return number_of(given, form.decimal, form.thousands)


@lru_cache(maxsize=1024)
def _obis(text: str) -> Obis:
    return Obis.parse(text)
