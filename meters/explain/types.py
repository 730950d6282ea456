"""What an explanation of bytes is made of: checks, faults, hints, the walk over the records, and fitting specs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from meters.decoding.engine import Decoded
from meters.specs.match import Match
from meters.telegram import Record, Telegram


@dataclass(frozen=True, slots=True)
class Check:
    """A checksum as stated and as computed, as they stand on the wire in hex; `offset` is where it is stated.

    `stated` is None where there is none. `covers` is the range of bytes it is over; `how` says what had to be put
    back first (a capture's lost CRs), '' where nothing.
    """

    name: str
    stated: str | None
    computed: str
    holds: bool
    offset: int
    covers: tuple[int, int]
    how: str = ""


@dataclass(frozen=True, slots=True)
class Around:
    """The line of text, or the row of 16 octets in hex, that a place stands in; `caret` counts characters of `line`."""

    offset: int
    line: str
    caret: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and at which byte; `reason` is FrameError's word."""

    reason: str
    detail: str
    offset: int
    around: Around


@dataclass(frozen=True, slots=True)
class Hint:
    """A likely cause: `cause` is a short snake_case word, `offset` a byte where there is one to name."""

    cause: str
    text: str
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One entry on the wire: its bytes, the records it gave, and what became of each."""

    offset: int
    length: int
    raw: str
    records: tuple[Record, ...]
    became: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What the bytes say when they are read for explanation, whether or not anybody may take it for a reading."""

    telegram: Telegram
    best: tuple[Match, ...]
    spec: str | None
    decoded: Decoded | None
    refusal: str
    """Why the spec gives no readings, '' where it gives some."""
    steps: tuple[Step, ...]
    unmapped: tuple[str, ...]
    """Numeric addresses on the wire that the spec makes nothing of."""


@dataclass(frozen=True, slots=True)
class Explained:
    """All that can be said of one piece of bytes, `offset` and `length` of which count from the input's first byte."""

    offset: int
    length: int
    framing: str
    missing: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    fault: Fault | None = None
    hints: tuple[Hint, ...] = ()
    reading: Reading | None = None

    @property
    def trusted(self) -> bool:
        """Whether the agent would take this for a telegram."""
        return self.fault is None and not self.missing

    def document(self, *, walk: bool) -> dict[str, Any]:
        """The explanation as JSON-able data; `walk` adds each record with its bytes."""
        found: dict[str, Any] = {
            "framing": self.framing,
            "offset": self.offset,
            "length": self.length,
            "trusted": self.trusted,
            "missing": list(self.missing),
            "checks": [_check(check) for check in self.checks],
            "fault": _fault(self.fault),
            "hints": [{"cause": hint.cause, "text": hint.text, "offset": hint.offset} for hint in self.hints],
        }
        return found | _reading(self.reading, walk=walk)


@dataclass
class Piece:
    """A frame, a failure or a salvaged block in the making: where it stands and what has been found out."""

    data: bytes
    offset: int
    framing: str
    telegram: Telegram | None = None
    places: list[tuple[int, int, str, tuple[Record, ...]]] = field(default_factory=list)
    """Offset (from the input's start), length, raw text and records of each entry."""
    checks: list[Check] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    hints: list[Hint] = field(default_factory=list)
    recognised: bool = False
    """What the bytes are is certain, whatever is wrong with them: nothing need be guessed by their look."""
    fault_at: int | None = None
    """A nearer place of the fault than the framer names."""


def _check(check: Check) -> dict[str, Any]:
    return {
        "check": check.name,
        "stated": check.stated,
        "computed": check.computed,
        "holds": check.holds,
        "offset": check.offset,
        "covers": list(check.covers),
        "how": check.how or None,
    }


def _fault(fault: Fault | None) -> dict[str, Any] | None:
    if fault is None:
        return None
    around = {"offset": fault.around.offset, "line": fault.around.line, "caret": fault.around.caret}
    return {"reason": fault.reason, "detail": fault.detail, "offset": fault.offset, "around": around}


def _reading(reading: Reading | None, *, walk: bool) -> dict[str, Any]:
    if reading is None:
        return {"facts": {}, "candidates": [], "decoded_by": None, "refusal": None, "as_read": {}, "as_read_meters": {},
                "units": {}, "left_out": [], "unmapped": []}  # fmt: skip
    values, meters, units = as_read(reading.decoded)
    left_out = reading.decoded.refused if reading.decoded else ()
    found: dict[str, Any] = {
        "facts": reading.telegram.facts,
        "candidates": [
            {"spec": match.spec.ref, "score": match.score, "reasons": list(match.reasons)} for match in reading.best
        ],
        "decoded_by": reading.spec,
        "refusal": reading.refusal or None,
        "as_read": values,
        "as_read_meters": meters,
        "units": units,
        "left_out": [{"address": one.address, "reason": one.reason} for one in left_out],
        "unmapped": list(reading.unmapped),
    }
    return found | ({"walk": [step_document(step) for step in reading.steps]} if walk else {})


def as_read(decoded: Decoded | None) -> tuple[dict[str, Any], dict[str, dict[str, Any]], dict[str, str]]:
    """Values of the meter, of sub-meters, and all units, by code; of a load profile alone the last interval's."""
    values: dict[str, Any] = {}
    meters: dict[str, dict[str, Any]] = {}
    units: dict[str, str] = {}
    samples = decoded.samples if decoded else ()
    live = [sample for sample in samples if not sample.profile]
    for sample in live or samples[-1:]:
        into: dict[str, Any] = meters.setdefault(sample.sub_meter, {}) if sample.sub_meter else values
        for code, value in sample.values.items():
            into.setdefault(code, json_number(value))
            units.setdefault(code, sample.units.get(code, ""))
    return values, meters, units


def json_number(value: Decimal) -> int | float:
    """The shortest JSON number of a reading: 12345.678, and 0 rather than 0.000."""
    return int(value) if value == value.to_integral_value() else float(value)


def step_document(step: Step) -> dict[str, Any]:
    """One entry of the walk as JSON-able data."""
    return {
        "offset": step.offset,
        "length": step.length,
        "raw": step.raw,
        "records": [
            {
                "address": record.address,
                "value": value_text(record.value),
                "unit": record.unit,
                "scaler": record.scaler,
                "status": record.status,
                "width": record.width,
                "became": became,
            }
            for record, became in zip(step.records, step.became, strict=False)
        ],
    }


def value_text(value: Decimal | str | bytes | None) -> str | None:
    """A record's value as text: octets in hex, numbers with all their digits (absurd exponents as they are)."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() and abs(value.adjusted()) < 40 else str(value)
    return value


def facts_line(facts: Mapping[str, str]) -> str:
    """Facts for people, in one line."""
    return ", ".join(f"{name} {text}" for name, text in facts.items())
