"""The bounded scalar types that spec sections are built of, and the wildcard patterns that specs match with."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from broker.contract.obis import Obis
from broker.errors import ContractError
from broker.zones import known_zone

MAX_STARS: Final = 8


class Section(BaseModel):
    """What all sections of a spec share: frozen, and an unknown field is an error rather than a typing slip."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


def _few_stars(pattern: str) -> str:
    if pattern.count("*") > MAX_STARS:
        raise ValueError(f"more than {MAX_STARS} stars; write a shorter pattern")
    return pattern


def as_tuple(value: object) -> object:
    """One text where several may stand, as a tuple of it."""
    return (value,) if isinstance(value, str) else value


def _obis(text: str) -> str:
    try:
        return str(Obis.parse(text))
    except ContractError as error:
        raise ValueError(f"{text} is no OBIS code; write A-B:C.D.E, for example 1-0:1.8.0") from error


def _exact(value: object) -> object:
    if isinstance(value, float):
        raise ValueError("a binary float loses digits; write the number as text, for example '0.1'")  # noqa: TRY004
    if isinstance(value, str):
        try:
            return Decimal(value)
        except InvalidOperation as error:
            raise ValueError(f"{value[:40]} is no decimal number") from error
    return value


def short(max_length: int, **more: Any) -> StringConstraints:
    """Printable text of one line."""
    return StringConstraints(min_length=1, max_length=max_length, pattern=r"^[^\x00-\x1f\x7f]*$", **more)


Label = Annotated[str, short(128)]
"""A line for people: a name, a source."""
Prose = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
"""A sentence or two for people: why a quirk is there."""
Pattern = Annotated[str, short(128), AfterValidator(_few_stars)]
"""A wildcard pattern: `*` any run, `?` any one character, letters of either case."""
Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=32)]
"""One pattern or several, of which any may fit."""
Address = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,40}$")]
"""A record's address as readers give it: `1-0:1.8.0`, `6.26`, `F.F`."""
Addresses = Annotated[tuple[Address, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=16)]
"""One address, or several of which the first that has a value counts."""
Code = Annotated[str, StringConstraints(max_length=32), AfterValidator(_obis)]
"""An OBIS code, kept in the spelling of broker.contract.obis."""
Exact = Annotated[
    Decimal,
    BeforeValidator(_exact),
    Field(allow_inf_nan=False, max_digits=30, ge=Decimal(-(10**15)), le=Decimal(10**15)),
]
"""A number that keeps the digits it was written with."""
Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(known_zone)]
"""An IANA zone name."""
Unit = Annotated[str, StringConstraints(max_length=16, pattern=r"^[^\s\x00-\x1f]*$")]
"""A unit as broker.contract.obis spells it; empty for a plain count."""
Units = Annotated[tuple[Unit, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=8)]
Bit = Annotated[int, Field(ge=0, le=63)]
