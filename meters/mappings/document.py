"""The mapping document: how one source's payloads become readings and events, as an engineer writes it in YAML."""

from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints, model_validator

from broker.contract.messages import MeterKey, Name
from broker.contract.obis import Obis, canonical, unit_is_open
from broker.errors import ContractError
from meters.mappings.expressions import expression, template
from meters.mappings.instants import check_patterns
from meters.mappings.topics import check_topic
from meters.specs.types import Code, Exact, Label, Prose, Section, Unit, Zone, as_tuple

FORMAT: Final = 1
MOST_STEPS: Final = 4


def _is_expression(text: str) -> str:
    expression(text)
    return text


def _is_template(text: str) -> str:
    template(text)
    return text


Path = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_is_expression)]
"""A JMESPath expression on a record."""
Filled = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_is_template)]
"""A text with JMESPath expressions in braces."""
Paths = Annotated[tuple[Path, ...], BeforeValidator(as_tuple), Field(max_length=MOST_STEPS)]
Topic = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(check_topic)]
Topics = Annotated[tuple[Topic, ...], BeforeValidator(as_tuple), Field(max_length=32)]
TimeFormats = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=64)], ...],
    BeforeValidator(as_tuple),
    Field(min_length=1, max_length=8),
    AfterValidator(check_patterns),
]


class Form(Section):
    """How the bytes are to be read."""

    type: Literal["json", "ndjson", "csv", "form", "raw"]
    """`form` is application/x-www-form-urlencoded; `raw` is one text or number, `value` in expressions."""
    encoding: Literal["utf-8", "latin-1", "cp1252", "utf-16"] = "utf-8"
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1, pattern=r'^[^"\r\n]$')] = ";"
    decimal: Literal[".", ","] = "."
    """What stands before the decimals of numbers that come as text."""
    thousands: Literal["", ".", ",", "'", " "] = ""
    """What sets thousands off in them."""
    header: bool = True
    """The first line names the columns; without one, `columns` does, else they are c1, c2, ..."""
    columns: Annotated[tuple[Label, ...], Field(max_length=256)] = ()
    skip_lines: Annotated[int, Field(ge=0, le=100)] = 0
    """Lines above the header, or above the first record where there is none."""

    @model_validator(mode="after")
    def _signs_differ(self) -> Self:
        if self.thousands == self.decimal:
            raise ValueError("thousands: is the same sign as decimal")
        return self


class TimeRule(Section):
    """When a record's values were measured. Without it that is the time of receipt."""

    at: Path
    format: TimeFormats = ("iso",)
    """`iso` (RFC 3339), `s`, `ms`, `us` since 1970, or patterns as strptime has them, tried in their order."""
    zone: Zone | None = None
    """What stamps without an offset are in. In the hour that occurs twice the order of the records counts."""
    summer: Path | None = None
    """Where the record says it: true where the stamp is in summer time."""
    shift_s: Annotated[int, Field(ge=-86_400, le=86_400)] = 0
    """Added to each stamp: 900 where quarter hours are named by their beginning, for readings are of their end."""


class Value(Section):
    """One quantity of a record."""

    path: Path
    unit: Unit | None = None
    """What the source sends; left out, it is the code's own."""
    scale: Exact = Decimal(1)
    offset: Exact = Decimal(0)
    """Added after the scale, in the same unit."""
    negate: bool = False
    optional: bool = False
    """Nothing is wrong where it is missing."""
    when: Path | None = None
    """It is this quantity only where the expression is true: `register == 'A+'`."""


def _as_value(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


ValueRule = Annotated[Value, BeforeValidator(_as_value)]


class ByCode(Section):
    """Records that say themselves which OBIS code they are of."""

    code: Path
    value: Path
    unit: Path | None = None
    """Where the record says its unit; left out, it is the code's own."""
    optional: bool = False
    """Codes that are none, and values that are missing, are passed over."""


class Facts(Section):
    """What the payload tells of the meter itself."""

    manufacturer: Filled | None = None
    product: Filled | None = None
    serial: Filled | None = None
    firmware: Filled | None = None
    parent: Filled | None = None
    """The key of the meter behind which this one stands."""


class EventRule(Section):
    """What becomes an event rather than a reading."""

    kind: Filled
    """Its name: in the end lower case, digits and `_`."""
    records: Paths | None = None
    """Where they stand; left out, in the records of the readings."""
    when: Path | None = None
    at: Path | None = None
    """By the mapping's format and zone; left out, the record's own time."""
    meter: Filled | None = None
    """Left out, the record's own; a record without one gives an event of the source itself."""
    severity: Literal["info", "warning", "error"] = "info"
    detail: Annotated[dict[Name, Path], Field(max_length=32)] = Field(default_factory=dict)


Values = Annotated[dict[Code, Exact], Field(max_length=256)]


class GoldenReading(Section):
    """One meter's values at one time, in canonical units."""

    meter: MeterKey
    at: AwareDatetime
    values: Values


class GoldenEvent(Section):
    """An event that must come out."""

    kind: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    at: AwareDatetime
    meter: MeterKey | None = None


class Golden(Section):
    """A payload with all that it must give, or a part of the reason for which it gives nothing."""

    name: Label
    source: Prose = "the author"
    """Where the payload comes from: a document, a capture."""
    payload: Annotated[str, StringConstraints(max_length=32_768)] | None = None
    base64: Annotated[str, StringConstraints(max_length=32_768, pattern=r"^[A-Za-z0-9+/=\s]*$")] | None = None
    content_type: Annotated[str, StringConstraints(max_length=128)] = ""
    topic: Annotated[str, StringConstraints(max_length=512)] | None = None
    received: AwareDatetime | None = None
    """When it came, for what has no time of its own; left out, 2026-01-01T00:00:00Z."""
    readings: Annotated[tuple[GoldenReading, ...], Field(max_length=512)] = ()
    events: Annotated[tuple[GoldenEvent, ...], Field(max_length=64)] = ()
    faults: Annotated[int, Field(ge=0, le=10_000)] = 0
    """How many fields could not be taken."""
    refused: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """A part of the reason, where the payload must give nothing."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.payload is None) == (self.base64 is None):
            raise ValueError("give exactly one of payload and base64")
        if self.refused is not None and (self.readings or self.events):
            raise ValueError("refused: a payload that is refused gives no readings and no events")
        return self


class Mapping(Section):
    """A mapping in one version, immutable once published; field by field in docs/SOURCES.md."""

    wattline_mapping: Annotated[int, Field(ge=FORMAT, le=FORMAT)] = FORMAT
    source: Name | None = None
    """The source that it is for, where it is for one alone."""
    version: Annotated[int, Field(ge=1, le=10**9 - 1)] | None = None
    """Left out, the next one."""
    title: Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    notes: Annotated[tuple[Prose, ...], BeforeValidator(as_tuple), Field(max_length=16)] = ()
    format: Form
    topic: Topics = ()
    """Of MQTT sources: `tele/{meter}/SENSOR`; `_topic.meter` in expressions."""
    key: Filled | None = None
    """What makes two payloads the same one, for events; left out, the sender's key or the body's digest."""
    skip: Path | None = None
    """Records of no concern: heartbeats, replies."""
    records: Paths = ()
    """Where the records stand; of several steps each begins at what the one before found, `_parent` in expressions."""
    meter: Filled | None = None
    facts: Facts = Facts()
    time: TimeRule | None = None
    values: Annotated[dict[Code, ValueRule], Field(max_length=256)] = Field(default_factory=dict)
    by_code: ByCode | None = None
    events: Annotated[tuple[EventRule, ...], Field(max_length=32)] = ()
    goldens: Annotated[tuple[Golden, ...], Field(max_length=32)] = ()

    @model_validator(mode="after")
    def _gives_something(self) -> Self:
        if not self.values and self.by_code is None and not self.events:
            raise ValueError("neither values nor by_code nor events; such a mapping gives nothing")
        if (self.values or self.by_code) and self.meter is None:
            raise ValueError("meter: is missing; say which meter the values are of, for example 'ACME:{serial}'")
        names = [golden.name for golden in self.goldens]
        if len(set(names)) != len(names):
            raise ValueError("goldens: two have the same name")
        return self

    @model_validator(mode="after")
    def _units_fit(self) -> Self:
        for code, rule in self.values.items():
            if rule.unit is None and unit_is_open(code):
                raise ValueError(f"values.{code}.unit: is missing; the OBIS catalogue leaves this code's unit open")
            try:
                canonical(Obis.parse(code), Decimal(1), rule.unit)
            except ContractError as error:
                raise ValueError(f"values.{code}.unit: {error.reason} ({error.fix})") from error
        return self
