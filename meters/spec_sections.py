"""The sections of a spec as frozen models: what a document may say of a product, with every size bounded."""

import re
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from broker.obis import Kind
from meters.spec_stamps import check_layout
from meters.spec_types import (
    Address,
    Addresses,
    Bit,
    Code,
    Exact,
    Label,
    Patterns,
    Prose,
    Section,
    Unit,
    Units,
    Zone,
    as_tuple,
    short,
)
from meters.telegram import Wire

SERIAL = re.compile(r"^(300|600|1200|2400|4800|9600|19200|38400|57600|115200) [78][NEO][12]$")
SerialProfile = Annotated[str, StringConstraints(pattern=SERIAL.pattern)]
"""A line setting as `9600 8N1`."""
FactName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Product(Section):
    """The product for people: maker by FLAG code and in full, model, firmware, what it measures."""

    manufacturer: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None
    maker: Label | None = None
    name: Label
    firmware: Label | None = None
    medium: Literal["electricity", "heat", "gas", "water", "any"] = "electricity"
    countries: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")], ...], Field(max_length=64)
    ] = ()


class Conditions(Section):
    """Facts that must fit; each condition takes one pattern or a list of which any may fit."""

    manufacturer: Patterns | None = None
    product: Patterns | None = None
    identification: Patterns | None = None
    version: Patterns | None = None
    firmware: Patterns | None = None
    serial: Patterns | None = None
    facts: Annotated[dict[FactName, Patterns], Field(max_length=16)] = Field(default_factory=dict)
    all: Annotated[tuple[Address, ...], Field(max_length=64)] = ()
    """Addresses that must all be in the telegrams."""
    any: Annotated[tuple[Address, ...], Field(max_length=64)] = ()
    """Addresses of which one must be in the telegrams."""
    none: Annotated[tuple[Address, ...], Field(max_length=64)] = ()
    """Addresses that must not be in the telegrams."""


class MatchRule(Conditions):
    """What a spec fits: the protocol and all conditions must hold; `prefer` only adds to the score."""

    protocol: Wire
    prefer: Conditions = Conditions()
    bonus: Annotated[int, Field(ge=0, le=100)] = 0
    """Added to the score, to decide between specs that fit alike."""


class Link(Section):
    """How to listen to the product, or to ask it."""

    mode: Literal["push", "poll"] = "push"
    serial: Annotated[tuple[SerialProfile, ...], Field(max_length=8)] = ()
    """Line settings to try, the usual one first."""
    wake_up: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){0,256}$")] = ""
    """Octets in hex to send before the sign-on."""
    address: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z ]{0,32}$")] = ""
    """Device address of the sign-on request, IEC 62056-21 6.3.1; empty for any."""
    max_baud: Annotated[int, Field(ge=300, le=115200)] = 9600
    """The fastest rate to agree to in a sign-on's baud change."""
    echo: bool = False
    """The line gives back what is sent, as optical heads on one wire do."""
    interval_s: Exact | None = None
    """How often the product pushes, or how often to poll it."""


class Checksum(StrEnum):
    """Whether a telegram must carry its check; a check that is there and wrong is always refused."""

    REQUIRED = "required"
    IF_PRESENT = "if_present"


class Decode(Section):
    """What the reader must know beyond the protocol; `key_ref` names a secret and never holds one."""

    variant: Label | None = None
    checksum: Checksum = Checksum.IF_PRESENT
    key_ref: SecretName | None = None


class TimeRule(Section):
    """Where a telegram's time stands and how to read it.

    `source` is `telegram` (the stamp that the protocol's standard names), `device` (the meter has no clock worth
    trusting), or one or two record addresses whose texts are read by `format`: `YYYY YY MM DD hh mm ss`, `S` for the
    letter S or W, `s` for the season digit 0, 1 or 2; `|` parts the texts of two sources; other characters stand for
    themselves. `zone` gives the offset of naive stamps and of summer and winter flags. `skew_s` is how far from the
    device's clock `at` may lie.
    """

    source: Annotated[tuple[Address, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=2)] = ("telegram",)
    format: Annotated[str, short(40)] | None = None
    zone: Zone | None = None
    skew_s: Annotated[int, Field(ge=1, le=366 * 86400)] = 900

    @model_validator(mode="after")
    def _format_for_address(self) -> Self:
        if self.source[0] in ("telegram", "device"):
            if self.format is not None or len(self.source) > 1:
                raise ValueError(f"source {self.source[0]} stands alone and takes no format")
        elif self.format is None:
            raise ValueError("a record address as source wants a format, for example YYMMDDhhmmss")
        else:
            check_layout(self.format)
            if self.format.count("|") != len(self.source) - 1:
                raise ValueError("the format wants one part for each source, parted by |, for example YYMMDD|hhmmss")
        return self


class StatusBit(Section):
    """A bit of a record's status word; `status_of` is the record's address, its own where left out."""

    status_of: Address | None = None
    bit: Bit
    set: bool = True


class Range(Section):
    """Plausible values in the reading's own unit; what lies outside is left out and reported."""

    min: Exact | None = None
    max: Exact | None = None


class Point(Section):
    """One reading: its OBIS code, the records it may come from, and how the record's value becomes it.

    Order of work: unit checked, scaled, `minus` subtracted, sign by the status bit, negated, converted to the
    canonical unit, held against the range.
    """

    obis: Code
    source: Annotated[Addresses | None, Field(alias="from")] = None
    """Addresses with fallbacks; the OBIS code itself where left out."""
    index: Annotated[int, Field(ge=0, le=15)] = 0
    """Which of several values of one address."""
    unit: Units | None = None
    """The units allowed on the wire; the first is taken where the wire names none."""
    scale: Exact | None = None
    kind: Kind | None = None
    """Overrides what the OBIS catalogue says."""
    digits: Annotated[int, Field(ge=3, le=15)] | None = None
    """Whole digits of the register in its canonical unit: it rolls over at 10 to this power."""
    minus: Address | None = None
    """Address whose value, in the same unit, is subtracted; nothing is read where it is missing."""
    negative_if: StatusBit | None = None
    """The value is absolute, and negative where this bit says so."""
    negate: bool = False
    range: Range = Range()
    time: Literal["own", "telegram"] = "own"
    """Whether a stamp of the record's own, where it has one, is the reading's time."""
    optional: bool = False
    """Telegrams without it are whole."""


class Guard(Section):
    """When a quirk applies: everything given must hold for the telegram."""

    status: StatusBit | None = None
    width: Annotated[tuple[Annotated[int, Field(ge=-8, le=8)], ...], Field(max_length=16)] = ()
    """Octets of the integer on the wire, negative where it is signed."""
    negative: bool | None = None
    """The value on the wire is below zero."""
    facts: Annotated[dict[FactName, Patterns], Field(max_length=8)] = Field(default_factory=dict)
    present: Annotated[tuple[Address, ...], Field(max_length=8)] = ()
    absent: Annotated[tuple[Address, ...], Field(max_length=8)] = ()


class Quirk(Section):
    """A mending of one record, done before anything else reads it, only where its guard holds."""

    why: Prose
    address: Address
    when: Guard = Guard()
    do: Literal["unsigned", "negate", "drop", "scale", "unit", "rename"]
    """`unsigned` reads the integer again without its sign; the others as they say, with `by`, `unit` or `to`."""
    by: Exact | None = None
    unit: Unit | None = None
    to: Address | None = None

    @model_validator(mode="after")
    def _argument(self) -> Self:
        wants = {"scale": "by", "unit": "unit", "rename": "to"}.get(self.do)
        for name in ("by", "unit", "to"):
            given = getattr(self, name) is not None
            if given != (name == wants):
                raise ValueError(f"do: {self.do} {'takes no' if given else 'wants a'} field {name}")
        return self


class History(Section):
    """How the product's load profile is read."""

    method: Literal["p.01", "p.02"] = "p.01"
    """The IEC 62056-21 data set that is asked for with R5 or R6 in programming mode."""
    capture_period_s: Annotated[int, Field(ge=1, le=86400)] = 900
    depth_days: Annotated[int, Field(ge=1, le=3660)] | None = None
    password_ref: SecretName | None = None
    """Names the secret that opens programming mode; never holds it."""
