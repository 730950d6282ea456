"""Values of a payload into numbers in a code's canonical unit."""

import re
from decimal import Decimal
from functools import cache
from typing import Final

from broker.contract.obis import Obis, canonical
from broker.errors import ContractError
from meters.mappings.document import Value
from meters.mappings.expressions import shown

_PLAIN: Final = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{0,30})?(?:[eE][+-]?[0-9]{1,2})?|[+-]?\.[0-9]{1,30}")
_MOST: Final = Decimal(10) ** 15
"""Beyond no value of any quantity is plausible, and sums could overflow."""


class NumberError(ValueError):
    """What is no number, or none that can be a reading."""


def number_of(value: object, decimal: str = ".", thousands: str = "") -> Decimal:
    """A number, or a text that is one as the source writes it. Raises NumberError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise NumberError(f"{shown(value)} is no number")
    if isinstance(value, int) and value.bit_length() > 64:
        raise NumberError("a number beyond 1e15")
    found = _written(value, decimal, thousands) if isinstance(value, str) else Decimal(repr(value))
    if not found.is_finite() or abs(found) > _MOST:
        raise NumberError("a number beyond 1e15")
    return found


def _written(text: str, decimal: str, thousands: str) -> Decimal:
    written = text.strip()[:80]
    plain = written.replace("\u2212", "-")
    if thousands and _grouped(thousands, decimal).fullmatch(plain):
        plain = plain.replace(thousands, "")
    if decimal == "," and "." in plain:
        raise NumberError(f"{written[:40]!r} is no number with a decimal comma")
    plain = plain.replace(",", ".", 1) if decimal == "," else plain
    if not _PLAIN.fullmatch(plain):
        raise NumberError(f"{written[:40]!r} is no number with a decimal {'comma' if decimal == ',' else 'point'}")
    return Decimal(plain)


@cache
def _grouped(thousands: str, decimal: str) -> re.Pattern[str]:
    """Groups of three, so that a decimal sign is never taken for one that sets thousands off."""
    return re.compile(rf"[+-]?[1-9][0-9]{{0,2}}(?:{re.escape(thousands)}[0-9]{{3}})+(?:{re.escape(decimal)}[0-9]*)?")


def in_canonical_unit(code: Obis, rule: Value, number: Decimal) -> tuple[Decimal, str]:
    """A number of the source's as the code's value, with its unit. Raises NumberError."""
    scaled = number * rule.scale + rule.offset
    return converted(code, -scaled if rule.negate else scaled, rule.unit)


def converted(code: Obis, number: Decimal, unit: str | None) -> tuple[Decimal, str]:
    """A value in the code's canonical unit, with that unit. Raises NumberError where the unit is not the code's."""
    try:
        value, canonical_unit = canonical(code, number, unit)
    except ContractError as error:
        raise NumberError(f"{error.reason} ({error.fix})") from error
    if not value.is_finite() or abs(value) > _MOST:
        raise NumberError("a number beyond 1e15")
    return value, canonical_unit
