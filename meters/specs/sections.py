"""The sections of a spec as frozen models: what a document may say of a product, with every size bounded."""

import re
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from broker.contract.obis import Kind
from broker.patterns import NAME, whole
from meters.specs.dlms_link import DlmsLink
from meters.specs.stamps import check_layout
from meters.specs.types import (
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
from meters.wires.p1_crc import VARIANTS

SERIAL = re.compile(r"^(300|600|1200|2400|4800|9600|19200|38400|57600|115200) [78][NEO][12]$")
SerialProfile = Annotated[str, StringConstraints(pattern=SERIAL.pattern)]
"""A line setting as `9600 8N1`."""


def _variant(name: str) -> str:
    if name not in VARIANTS:
        raise ValueError(f"{name} is no CRC of meters.p1_crc; known are {', '.join(VARIANTS)}")
    return name


CrcVariant = Annotated[str, StringConstraints(max_length=32), AfterValidator(_variant)]
"""A CRC-16 by its name, `-swapped` where its octets are stated in the other order."""
FactName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
SecretName = Annotated[str, StringConstraints(pattern=whole(NAME))]


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
    dlms: DlmsLink | None = None
    """How a DLMS meter is asked."""


class Checksum(StrEnum):
    """Whether a telegram must carry its check; a check that is there and wrong is always refused."""

    REQUIRED = "required"
    IF_PRESENT = "if_present"


class Decode(Section):
    """What the reader must know beyond the protocol; `key_ref` names a secret and never holds one."""

    variant: Label | None = None
    checksum: Checksum = Checksum.IF_PRESENT
    crc: Annotated[tuple[CrcVariant, ...], BeforeValidator(as_tuple), Field(max_length=8)] = ()
    """P1: variants of the CRC that the product states in place of the usual one, see meters.wires.p1_crc."""
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
    """A bit of a record's status word.

    `status_of` is the record's address, its own where left out; of several the first that has a status counts. With
    `among` and `otherwise`, `bit` is looked at where any of `among` is set, else `otherwise`: a meter that tells each
    phase's direction sets at least one of them while it feeds in, one that tells only the total's never does.
    """

    status_of: Address | Addresses | None = None
    bit: Bit
    set: bool = True
    among: Annotated[tuple[Bit, ...], Field(max_length=16)] = ()
    otherwise: Bit | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The addresses to look for a status at; empty for the record's own."""
        return (self.status_of,) if isinstance(self.status_of, str) else self.status_of or ()

    def is_set(self, status: int) -> bool:
        """Whether a status word has the bit as the rule wants it."""
        decisive = self.otherwise is None or any(status >> bit & 1 for bit in self.among)
        return bool(status >> (self.bit if decisive else self.otherwise or 0) & 1) is self.set

    @model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.among) is (self.otherwise is None):
            raise ValueError("among and otherwise go together: the bits of all phases, and the bit of the total")
        return self


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
    """A mending of one record, or of each of several, done before anything else reads it, where its guard holds."""

    why: Prose
    address: Address | Addresses
    when: Guard = Guard()
    do: Literal["unsigned", "negate", "sign", "drop", "scale", "unit", "rename"]
    """`unsigned` reads the integer again without its sign, `sign` gives the absolute value the sign that `negative_if`
    tells and leaves it alone where there is no such status; the others as they say, with `by`, `unit` or `to`."""
    by: Exact | None = None
    unit: Unit | None = None
    to: Address | None = None
    negative_if: StatusBit | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses that it mends."""
        return (self.address,) if isinstance(self.address, str) else self.address

    @model_validator(mode="after")
    def _argument(self) -> Self:
        wants = {"scale": "by", "unit": "unit", "rename": "to", "sign": "negative_if"}.get(self.do)
        for name in ("by", "unit", "to", "negative_if"):
            given = getattr(self, name) is not None
            if given != (name == wants):
                raise ValueError(f"do: {self.do} {'takes no' if given else 'wants a'} field {name}")
        return self


VDEW_STATUS = {
    "power_failure": 7, "power_back": 6, "clock_set": 5, "season_change": 3, "disturbed": 2, "clock_invalid": 1,
    "fatal_error": 0,
}  # fmt: skip
"""The low octet of a status word by VDEW-Lastenheft 2.1, as makers' manuals table it (LEM EM4T II, V1.0 of 2020)."""


class History(Section):
    """How the product's memory is read: its load profile, in the programming mode of IEC 62056-21 (6.4.3) or by DLMS.

    `zone` is that of the stamps of its profile where it is another one than the telegram's: many products keep
    standard time in their memory all the year.
    """

    method: Literal["p.01", "p.02", "profile_generic"] = "p.01"
    """The IEC 62056-21 data set that is asked for, or a profile generic of DLMS, whose columns the meter states."""
    profile: Code = "1-0:99.1.0"
    """The code of the profile generic."""
    command: Literal["R5", "R6"] = "R5"
    """R5 has the answer in one block, R6 in partial blocks; both kinds of answer are understood to either."""
    capture_period_s: Annotated[int, Field(ge=1, le=86400)] = 900
    depth_days: Annotated[int, Field(ge=1, le=3660)] | None = None
    """How far back its memory reaches; nothing older is asked for."""
    password_ref: SecretName | None = None
    """Names the secret that opens programming mode; never holds it. Without one the data set is asked for at once."""
    stamp: Annotated[str, StringConstraints(pattern=r"^[YMDhmsS :.-]{8,20}$")] = "sYYMMDDhhmm"
    """How the request writes its two stamps, in the tokens of the time section."""
    stamps_in: Literal["local", "standard", "utc"] = "utc"
    """What these stamps are: UTC with season 2, the zone's time with season 0 or 1, or its winter time all year."""
    label: Literal["end", "start"] = "end"
    """Which end of its interval a row's stamp names."""
    zone: Zone | None = None
    status: Annotated[dict[FactName, Bit], Field(max_length=32)] = Field(default_factory=lambda: dict(VDEW_STATUS))
    """What the bits of a row's status word mean, by number."""

    @model_validator(mode="after")
    def _layout(self) -> Self:
        check_layout(self.stamp)
        return self
