"""What `POST /decode` takes and answers: the lines of `wattline decode --json` with their explanations."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from broker.contract.messages import MAX_PAYLOAD_BYTES
from gateway.models import ApiModel, exactly_one
from meters.specs.spec import Spec

Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PAYLOAD_BYTES)]
ProtocolName = Literal["auto", "p1", "sml", "iec62056-21", "dlms", "mbus", "modbus"]
SpecRef = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class DecodeQuery(ApiModel):
    """How to read a body of raw bytes; a JSON body says it itself."""

    protocol: ProtocolName = Field(default="auto", description="The protocol on the line.")
    spec: SpecRef | None = Field(default=None, description="Decode by this spec: `name` or `name@version`.")
    walk: bool = Field(default=True, description="With each record, its bytes, and what became of it.")


class DecodeRequest(ApiModel):
    """Bytes to decode, as exactly one of `hex` (in any usual dress), `text` (a telegram as it stands) and `base64`."""

    model_config = exactly_one("hex", "text", "base64")

    hex: Text | None = None
    text: Text | None = None
    base64: Text | None = None
    protocol: ProtocolName | None = None
    spec: SpecRef | Spec | None = Field(
        default=None, description="Decode by this one: `name`, `name@version`, or a whole document."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(part is not None for part in (self.hex, self.text, self.base64)) != 1:
            raise ValueError("give exactly one of hex, text and base64")
        return self


class CheckView(ApiModel):
    """A checksum as stated and as computed, in hex as on the wire; `stated` is null where there is none."""

    check: str
    stated: str | None
    computed: str
    holds: bool
    offset: int
    covers: tuple[int, int]
    how: str | None = Field(description="What had to be put back first for it to hold.")


class AroundView(ApiModel):
    """The line of text or the row of octets around a place; `caret` is the column of the byte in `line`."""

    offset: int
    line: str
    caret: int


class FaultView(ApiModel):
    """What is wrong, at which byte of the input."""

    reason: str
    detail: str
    offset: int
    around: AroundView


class HintView(ApiModel):
    """A likely cause."""

    cause: str
    text: str
    offset: int | None


class CandidateView(ApiModel):
    """A spec that fits, its score and what made it."""

    spec: str
    score: int
    reasons: tuple[str, ...]


class LeftOutView(ApiModel):
    """A value that the spec asks for and that is no reading."""

    address: str
    reason: str


class RecordView(ApiModel):
    """One record and what became of it."""

    address: str
    value: str | None
    unit: str | None
    scaler: int | None
    status: int | None
    width: int | None
    became: str


class StepView(ApiModel):
    """One entry on the wire: its bytes and its records."""

    offset: int
    length: int
    raw: str
    records: tuple[RecordView, ...]


class Explanation(ApiModel):
    """How the bytes were understood. Only of a `trusted` telegram would the agent take readings."""

    framing: str
    offset: int
    length: int
    trusted: bool
    missing: tuple[str, ...] = Field(description="What a whole telegram has and these bytes lack.")
    checks: tuple[CheckView, ...]
    fault: FaultView | None
    hints: tuple[HintView, ...]
    facts: dict[str, str]
    candidates: tuple[CandidateView, ...]
    decoded_by: str | None
    refusal: str | None
    as_read: dict[str, int | float] = Field(description="What the bytes say; of an untrusted telegram never a reading.")
    as_read_meters: dict[str, dict[str, int | float]]
    units: dict[str, str]
    left_out: tuple[LeftOutView, ...]
    unmapped: tuple[str, ...] = Field(description="Numeric codes on the wire that the spec makes nothing of.")
    walk: tuple[StepView, ...] = ()


class ImplausibleView(ApiModel):
    """A value that no such quantity can have."""

    field: str = Field(description="Where in the telegram's answer it stands: `values.CODE`, `meters.SERIAL.CODE`.")
    value: int | float
    low: float
    high: float


class DecodedTelegram(ApiModel):
    """One telegram, good or bad, as `wattline decode --json` has it; an `error` means no values."""

    telegram: int
    protocol: str | None
    identification: str | None
    spec: str | None
    at: str | None
    values: dict[str, int | float]
    meters: dict[str, dict[str, int | float]]
    error: str | None
    note: str | None = None
    profile: tuple[dict[str, Any], ...] = ()
    implausible: tuple[ImplausibleView, ...] = Field(default=(), description="What would go to quarantine.")
    explain: Explanation | None = None


class DecodeSummary(ApiModel):
    """What was seen, over all telegrams."""

    telegrams: int
    decoded: int
    undecoded: int
    bytes_skipped: int


class DecodeAnswer(ApiModel):
    """All telegrams of the bytes, in their order; `explain` is the whole input's where it holds no telegram."""

    read_as: str
    bytes: int
    telegrams: tuple[DecodedTelegram, ...]
    more: bool = Field(description="There are more telegrams than an answer holds: send less.")
    explain: Explanation | None
    summary: DecodeSummary
