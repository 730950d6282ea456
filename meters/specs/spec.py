"""A spec: one meter product as data, versioned and immutable once published, read from YAML or JSON."""

import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, ValidationError, model_validator

from broker.contract.messages import Name
from broker.errors import ContractError
from broker.plain_errors import plain_reason
from meters.specs.document import read_document
from meters.specs.event_log import EventLog
from meters.specs.registers import Registers
from meters.specs.sections import Decode, FactName, History, Link, MatchRule, Point, Product, Quirk, TimeRule
from meters.specs.types import Code, Exact, Label, Pattern, Prose, Section
from meters.telegram import Wire

FORMAT: Final = 1
Values = Annotated[dict[Code, Exact], Field(max_length=256)]


class GoldenFrame(Section):
    """The bytes of a golden: exactly one of hex, base64, text (lines end with CR LF) or a file of the captures."""

    hex: Annotated[str, StringConstraints(max_length=16384, pattern=r"^[0-9A-Fa-f\s]*$")] | None = None
    base64: Annotated[str, StringConstraints(max_length=16384, pattern=r"^[A-Za-z0-9+/=\s]*$")] | None = None
    text: Annotated[str, StringConstraints(max_length=8192)] | None = None
    capture: Annotated[str, StringConstraints(max_length=128, pattern=r"^[a-z0-9-]+/[A-Za-z0-9._-]+$")] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(part is not None for part in (self.hex, self.base64, self.text, self.capture)) != 1:
            raise ValueError("give exactly one of hex, base64, text and capture")
        return self


class GoldenRow(Section):
    """The values of one interval of a golden's load profile."""

    at: AwareDatetime
    values: Values


class GoldenEntry(Section):
    """One entry of a golden's event log: when, the code or status word, and what the spec says that it means."""

    at: AwareDatetime
    code: Annotated[str, StringConstraints(pattern=r"^[0-9A-F]{0,10}$")]
    meaning: Annotated[str, StringConstraints(max_length=256)] = ""


class Golden(Section):
    """A telegram with the readings that it must give, or the reason for which it must be refused."""

    name: Label
    source: Prose
    """The document or capture that the bytes come from."""
    frame: GoldenFrame
    facts: Annotated[dict[FactName, Label], Field(max_length=8)] = Field(default_factory=dict)
    """Facts that a person states and the wire does not tell: which Modbus product answers."""
    telegram: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Which telegram of the bytes, counted from 1."""
    at: AwareDatetime | None = None
    """The meter's own time; absent where the telegram has none."""
    values: Values = Field(default_factory=dict)
    """Readings of the meter itself, in canonical units."""
    meters: Annotated[dict[Label, Values], Field(max_length=8)] = Field(default_factory=dict)
    """Readings of sub-meters by their serial."""
    profile: Annotated[tuple[GoldenRow, ...], Field(max_length=256)] = ()
    log: Annotated[tuple[GoldenEntry, ...], Field(max_length=256)] = ()
    """The entries of an event log, all of them: a telegram that gives nothing else needs no readings."""
    complete: bool = False
    """No reading beyond those listed may come out."""
    error: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")] | None = None
    """The reason word of the refusal that must come instead of readings."""


class Spec(Section):
    """The document of METERS.md 'A spec that covered seven real products', field by field in docs/SPECS.md."""

    format: Annotated[int, Field(ge=FORMAT, le=FORMAT)] = FORMAT
    name: Name
    version: Annotated[int, Field(ge=1, le=10**9 - 1)]
    generic: bool = False
    """The last resort of its protocol: matches whatever no product's spec does."""
    product: Product
    match: MatchRule
    source: Annotated[tuple[Prose, ...], Field(min_length=1, max_length=16)]
    """Where the knowledge comes from: documents, captures."""
    link: Link = Link()
    decode: Decode = Decode()
    registers: Registers | None = None
    """Modbus: which registers to read, and what each one says."""
    time: TimeRule = TimeRule()
    standard: bool = False
    """All addresses that the OBIS catalogue knows with a numeric value become readings, beside the points."""
    exclude: Annotated[tuple[Pattern, ...], Field(max_length=64)] = ()
    """Addresses that `standard` leaves out."""
    digits: Annotated[int, Field(ge=3, le=15)] | None = None
    """Whole digits of all registers in their canonical unit; a point's own `digits` counts more."""
    sub_meters: bool = True
    """Meters behind this one (P1 channels 0-1 to 0-9) become readings of their own."""
    points: Annotated[tuple[Point, ...], Field(max_length=256)] = ()
    quirks: Annotated[tuple[Quirk, ...], Field(max_length=32)] = ()
    history: History | None = None
    event_log: EventLog | None = None
    storage_day: Literal["end", "start"] | None = None
    """M-Bus: at which end of a day values were stored whose stamp is a day alone; left out, nobody knows."""
    goldens: Annotated[tuple[Golden, ...], Field(max_length=32)] = ()

    @property
    def ref(self) -> str:
        """`name@version`, as readings name their spec."""
        return f"{self.name}@{self.version}"

    def digits_of(self, code: str) -> int | None:
        """Whole digits of a register in its canonical unit: it rolls over at 10 to this power; None where unknown."""
        point = next((point for point in self.points if point.obis == code), None)
        return self.digits if point is None or point.digits is None else point.digits

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex over the canonical JSON of the document."""
        content = json.dumps(spec_document(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()

    @model_validator(mode="after")
    def _gives_readings(self) -> Self:
        codes = [point.obis for point in self.points]
        twice = next((code for code in codes if codes.count(code) > 1), None)
        if twice is not None:
            raise ValueError(f"points: {twice} stands twice; name its sources in one point's `from`")
        if not self.points and not self.standard:
            raise ValueError("neither points nor standard: true; such a spec gives no readings")
        if self.registers is not None and self.match.protocol is not Wire.MODBUS:
            raise ValueError(f"registers: {self.match.protocol} has none; they are Modbus's")
        generic = self.history is not None and self.history.method == "profile_generic"
        if generic and self.match.protocol is not Wire.DLMS:
            raise ValueError("history.method: profile_generic is DLMS's")
        if self.event_log is not None and self.match.protocol is not self.event_log.protocol:
            raise ValueError(f"event_log.method: {self.event_log.method} is of {self.event_log.protocol}")
        if self.storage_day is not None and self.match.protocol is not Wire.MBUS:
            raise ValueError(f"storage_day: {self.match.protocol} has no storage numbers; they are M-Bus's")
        if self.link.dlms is not None and (self.match.protocol is not Wire.DLMS or self.link.mode != "poll"):
            raise ValueError("link.dlms: that is how a DLMS meter is asked; it wants protocol dlms and link.mode poll")
        if self.link.dlms is not None and self.link.dlms.authentication != "none" and self.decode.key_ref is None:
            raise ValueError(f"link.dlms: {self.link.dlms.authentication} wants decode.key_ref, which names its secret")
        return self


def load_spec(text: str | bytes, *, origin: str) -> Spec:
    """Read a spec from YAML or JSON; `origin` (a file name, `api`) stands in the errors.

    Raises ContractError that names the field and the fix.
    """
    return spec_from(read_document(text, origin=origin), origin=origin)


def spec_from(document: dict[str, Any], *, origin: str) -> Spec:
    """Read a spec from a mapping, as a SpecMessage has it. Raises ContractError that names the field and the fix."""
    try:
        return Spec.model_validate(document)
    except ValidationError as error:
        first = _refusals(error)[0]
        raise ContractError(f"{first.reason} [{origin}]", field=first.field, fix=first.fix) from error


def refusals(document: dict[str, Any]) -> list[ContractError]:
    """All that keeps a mapping from being a spec, each naming the field and the fix; empty where nothing does."""
    try:
        Spec.model_validate(document)
    except ValidationError as error:
        return _refusals(error)
    return []


def _refusals(error: ValidationError) -> list[ContractError]:
    found = []
    for entry in error.errors(include_url=False, include_input=False):
        field = ".".join(str(part) for part in entry["loc"])[:200] or "spec"
        reason = plain_reason(entry)
        found.append(ContractError(reason, field=field, fix=_fix(entry["type"], field)))
    return found


def spec_document(spec: Spec) -> dict[str, Any]:
    """The spec as JSON-able data without defaults; numbers with a fraction are text. `spec_from` reads it back."""
    document = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {"format": spec.format, **document}


def digest(spec: Spec) -> str:
    """SHA-256 in hex over the canonical JSON of the spec's document: equal specs, equal digests."""
    return spec.digest


def _fix(kind: str, field: str) -> str:
    place = field.rsplit(".", 1)[0] if "." in field else "spec"
    fixes = {
        "extra_forbidden": f"{place} has no such field; docs/SPECS.md lists them",
        "missing": "add it; docs/SPECS.md shows one complete example",
        "too_long": "shorten the list",
        "string_too_long": "shorten the text",
        "string_pattern_mismatch": "docs/SPECS.md says how this field is written",
    }
    return fixes.get(kind, "see docs/SPECS.md")
