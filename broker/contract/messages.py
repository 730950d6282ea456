"""Every message of the contract as a frozen model; unknown fields are ignored on receipt, refused on sending."""

import base64
import binascii
import hashlib
import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.config import JsonDict

from broker.contract.address import AUTHORITY_FORM, known_authority_or_none, known_nodes_or_none
from broker.errors import ContractError
from broker.patterns import BOOT_ID, ENROL_URL, METER_KEY, NAME, OBIS_CODE, SPEC_REF, whole
from broker.plain_errors import plain_reason
from broker.zones import known_zone_or_none

MAX_PAYLOAD_BYTES = 256 * 1024
"""No message of the contract is larger; larger payloads go to quarantine."""
MOST_METERS = 256
"""Meters of one device."""
MAX_HINTS = 16 * 1024
"""Characters of all hints of one frames message."""


_TICK = timedelta(microseconds=1)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC) + _TICK, datetime.max.replace(tzinfo=UTC) - _TICK
"""The very first and last instants, which clocks that were never set show, are infinity to asyncpg: so near to them."""


def _utc(value: datetime) -> datetime:
    try:
        return min(max(value.astimezone(UTC), _FIRST), _LAST)
    except OverflowError as error:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from error


def _stamp(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


def _unbase64(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(f"no base64: {error}") from error


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


At = Annotated[AwareDatetime, AfterValidator(_utc), PlainSerializer(_stamp, return_type=str, when_used="json")]
"""An instant: RFC 3339 with an offset on the wire, an aware UTC datetime in memory."""
Name = Annotated[str, StringConstraints(pattern=whole(NAME))]
"""A device id, spec name or command."""
BootId = Annotated[str, StringConstraints(pattern=whole(BOOT_ID))]
"""Random, new at each start of the agent."""
MeterKey = Annotated[str, StringConstraints(pattern=whole(METER_KEY))]
"""`FLAG:serial`, for example `LGZ:12345678`; printable ASCII without spaces."""
SpecRef = Annotated[str, StringConstraints(pattern=whole(SPEC_REF))]
"""A spec and its version, for example `lgz-e350@3`."""
ObisCode = Annotated[str, StringConstraints(pattern=whole(OBIS_CODE))]
"""OBIS text as broker.contract.obis writes it: `A-B:C.D.E`, with `*F` only where F is not 255."""
Bytes = Annotated[bytes, BeforeValidator(_unbase64), PlainSerializer(_base64, return_type=str, when_used="json")]
"""Raw bytes, standard base64 on the wire."""
Value = Annotated[float, Field(allow_inf_nan=False)]
Seq = Annotated[int, Field(ge=1, le=2**53)]
"""A message's number: from 1 on, one more with each message of a boot."""
Resent = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""How often a message was sent before, taken by the broker each time, and given no receipt by the store."""
Short = Annotated[str, StringConstraints(max_length=256)]
Text = Annotated[str, StringConstraints(max_length=4096)]


class Message(BaseModel):
    """What all messages share: frozen, strict about types, `payload()` to send and `parse()` to receive."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    def payload(self) -> bytes:
        """The JSON to publish, UTF-8, without absent fields."""
        return self.model_dump_json(exclude_none=True, by_alias=True).encode()

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read a received payload. Raises ContractError that names the field and the reason."""
        return parse(cls, payload)


class Clock(StrEnum):
    """How far to trust `at`: the meter's own clock, the device's clock kept by NTP, or one never synchronised."""

    METER = "meter"
    SYNCED = "synced"
    UNSYNCED = "unsynced"


class Source(StrEnum):
    """Where samples come from: live, the outbox after an outage, the meter's memory, or frames decoded later."""

    LIVE = "live"
    BACKFILL = "backfill"
    PROFILE = "profile"
    REDECODED = "redecoded"


class Sample(Message):
    """The values of one meter at one instant, by OBIS code in each code's canonical unit."""

    at: At
    values: Annotated[dict[ObisCode, Value], Field(min_length=1, max_length=512)]


class Readings(Message):
    """Samples of one meter; `units` names the unit only of codes whose unit the OBIS catalogue leaves open."""

    boot: BootId
    seq: Seq
    meter: MeterKey
    spec: SpecRef
    clock: Clock
    source: Source = Source.LIVE
    samples: Annotated[tuple[Sample, ...], Field(min_length=1, max_length=4096)]
    units: dict[ObisCode, Short] | None = None
    resent: Resent | None = None


class FrameReason(StrEnum):
    """Why raw bytes are sent instead of, or beside, readings."""

    NO_SPEC = "no_spec"
    UNDECODABLE = "undecodable"
    BAD_FRAME = "bad_frame"
    REQUESTED = "requested"
    KEY_MISSING = "key_missing"
    """Ciphered, and the key of its meter is not here or does not fit: it is decoded once the platform has it."""


class RawFrame(Message):
    """One frame as it came from the line, base64 on the wire; `at` is the device's receive time."""

    at: At
    data: Annotated[Bytes, Field(max_length=65536)]
    error: Short | None = None


class Frames(Message):
    """Raw frames of one port with what is known of their meter.

    `clock` says how far to trust their times, so that who decodes them later can say it too; None where nobody knows.
    """

    boot: BootId
    seq: Seq
    reason: FrameReason
    port: Short
    protocol: Short
    meter: MeterKey | None = None
    clock: Literal[Clock.SYNCED, Clock.UNSYNCED] | None = None
    hints: dict[Short, Text] = Field(default_factory=dict, max_length=64)
    frames: Annotated[tuple[RawFrame, ...], Field(min_length=1, max_length=1024)]
    resent: Resent | None = None

    @field_validator("hints")
    @classmethod
    def _hints_are_short(cls, value: dict[str, str]) -> dict[str, str]:
        # they are stored beside each of the frames
        if sum(len(name) + len(text) for name, text in value.items()) > MAX_HINTS:
            raise ValueError(f"more than {MAX_HINTS} characters in all")
        return value


class BootEnd(Message):
    """How far an earlier boot of a device had got: its last number, 0 where it sent nothing."""

    boot: BootId
    seq: Annotated[int, Field(ge=0, le=2**53)]


class EventMessage(Message):
    """A diagnostic of a device: meter swapped, clock stepped, outbox near full, decode failing.

    `previous` stands in the first event of a boot, `boot_began`: without it nobody could tell that the end of the boot
    before is missing.
    """

    boot: BootId
    seq: Seq
    at: At
    event: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    severity: Literal["info", "warning", "error"] = "info"
    meter: MeterKey | None = None
    detail: dict[Short, Any] = Field(default_factory=dict)
    previous: BootEnd | None = None
    resent: Resent | None = None


class SeqRange(RootModel[tuple[Seq, Seq]]):
    """Numbers from the first to the last of the two, both among them."""

    model_config = ConfigDict(frozen=True, strict=True, defer_build=True)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.root[0] > self.root[1]:
            raise ValueError("the first number is above the last")
        return self


class Receipts(Message):
    """What the store holds of a device's messages, by boot: each of these may be forgotten by the device.

    Sent after the commit, gathered for a few seconds. It says nothing of numbers that it does not name. What is in
    quarantine is in the store, too. `at` is when it was made, by the platform's clock: later than its newest
    message was sent, so that a device can tell how far its own clock is off.
    """

    at: At | None = None
    boots: Annotated[
        dict[BootId, Annotated[tuple[SeqRange, ...], Field(min_length=1, max_length=1024)]],
        Field(min_length=1, max_length=64),
    ]


class Software(Message):
    """The agent's software, and the parameters and commands that it knows, by name."""

    name: Short = "wattline"
    version: Short
    python: Short | None = None
    parameters: tuple[Short, ...] = ()
    commands: tuple[Short, ...] = ()


class Hardware(Message):
    """The machine that the agent runs on."""

    model: Short | None = None
    serial: Short | None = None
    os: Short | None = None
    machine: Short | None = None


Waiting = Annotated[int, Field(ge=0, le=2**53)]
WaitingFor = Annotated[float, Field(ge=0, le=1e10)]


class OutboxState(Message):
    """What waits in a device's outbox, and for how long the oldest has: for the broker, and for the store's receipt."""

    at: At
    waiting: Waiting
    waiting_for_s: WaitingFor
    unconfirmed: Waiting
    unconfirmed_for_s: WaitingFor


class Status(Message):
    """Online or offline; the same document with `online: false` is the last will, which can't know the outbox."""

    online: bool
    boot: BootId
    software: Short
    since: At
    outbox: OutboxState | None = None


class MeterSeen(Message):
    """A meter as the device sees it at a port, with all that tells its product, and since when it is heard there."""

    key: MeterKey
    port: Short
    protocol: Short
    since: At | None = None
    manufacturer: Short | None = None
    product: Short | None = None
    serial: Short | None = None
    firmware: Short | None = None
    parent: MeterKey | None = None
    facts: dict[Short, Text] = Field(default_factory=dict)
    addresses: Annotated[tuple[Short, ...], Field(max_length=1024)] = ()


class Registration(Message):
    """Who a device is, its hardware and software, and the meters it sees. Sending it again changes nothing."""

    boot: BootId
    at: At
    hardware: Hardware
    software: Software
    ports: tuple[Short, ...] = ()
    meters: Annotated[tuple[MeterSeen, ...], Field(max_length=MOST_METERS)] = ()


LogLevel = Literal["debug", "info", "warning", "error"]
ZoneText = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_+/-]*$")]
"""What a name of the IANA database is made of."""


SECONDS: Final[JsonDict] = {"unit": "s"}


class Parameters(Message):
    """What an engineer may tune on a device, with the defaults that hold where nobody says otherwise."""

    reading_interval_s: float = Field(
        default=10.0, ge=0.2, le=86400, json_schema_extra=SECONDS,
        description="Time between two samples of a meter: the first telegram in each interval is taken, the others"
        " are skipped. A meter that must be asked is read this often.",
    )  # fmt: skip
    publish_interval_s: float = Field(
        default=10.0, ge=0.2, le=3600, json_schema_extra=SECONDS,
        description="How long samples are collected before they are published in one message. Samples still being"
        " collected are on the device's disk, too: a power cut costs a second of them at most.",
    )  # fmt: skip
    obis_include: Annotated[tuple[Short, ...], Field(min_length=1, max_length=256)] = Field(
        default=("*",),
        description="OBIS codes to publish, as patterns: * stands for any characters, so 1-0:1.8.* is imported energy"
        " with all its tariffs.",
    )
    obis_exclude: Annotated[tuple[Short, ...], Field(max_length=256)] = Field(
        default=(),
        description="OBIS codes to leave out of those that obis_include selects, as patterns of the same kind.",
    )
    raw_frames: bool = Field(
        default=False,
        description="Publish the meter's raw frames too, beside the readings: for diagnosis, at the cost of traffic.",
    )
    outbox_limit_mib: int = Field(
        default=256, ge=1, le=65536, json_schema_extra={"unit": "MiB"},
        description="Disk space on the device for messages that the store has not confirmed yet. When it is full, every"
        " second readings message of the oldest ones is dropped, then the oldest altogether; events tell of it.",
    )  # fmt: skip
    log_level: LogLevel = Field(
        default="info", description="How much the agent writes to its log: debug is the most, error the least."
    )
    probation_s: float = Field(
        default=120.0, ge=0, le=86400, json_schema_extra=SECONDS,
        description="After a change of configuration, how long each meter may take to give a good reading before the"
        " device goes back to the last good version by itself. 0 turns this off.",
    )  # fmt: skip
    time_zone: Annotated[ZoneText, AfterValidator(known_zone_or_none)] = Field(
        default="",
        json_schema_extra={"form": "an IANA name such as Europe/Vilnius, or empty for the spec's"},
        description="Time zone of the meters' clocks, as an IANA name: the zone of the place where they hang. If empty,"
        " each meter's spec says it, which for a product sold in many countries may be the zone of another one.",
    )
    history_days_back: float = Field(
        default=1.0, ge=0, le=3660, json_schema_extra={"unit": "d"},
        description="How far back a meter's own memory is read when a device meets it for the first time, if its spec"
        " says how. What the device misses later is read back by itself, however long it was. 0 reads nothing back at"
        " first.",
    )  # fmt: skip
    event_log_interval_h: float = Field(
        default=24.0, ge=0, le=8784, json_schema_extra={"unit": "h"},
        description="How often a meter's own event log is read, if its spec says how; beside that it is read when the"
        " meter or the device is back after a silence, at most once an hour. 0 reads it on command only.",
    )  # fmt: skip
    broker_address: Annotated[str, Field(max_length=1024), AfterValidator(known_nodes_or_none)] = Field(
        default="",
        json_schema_extra={"form": "host:port, several with commas, or empty to stay"},
        description="Where the device is to find the broker from now on: it goes there on trial, and comes back to"
        " where it was unless the store there confirms its messages within probation_s (120 s where that is 0). If"
        " empty, it stays where it is.",
    )
    broker_authority: Annotated[str, Field(max_length=16384), AfterValidator(known_authority_or_none)] = Field(
        default="",
        json_schema_extra={"form": AUTHORITY_FORM},
        description="The CA of the broker's certificate at broker_address, where it is another one than the device"
        " has. Nothing without broker_address.",
    )
    enrol_url: str = Field(
        default="", max_length=1024, pattern=f"^({ENROL_URL})?$",
        json_schema_extra={"form": "an address such as https://wattline.example:8443, or empty for the device's own"},
        description="Where the device renews its certificate once it is at broker_address; where that fails, its own"
        " address of before is asked in turn. Nothing without broker_address.",
    )  # fmt: skip


UNHASHED_AT_DEFAULT = frozenset(
    {
        "probation_s", "time_zone", "history_days_back", "event_log_interval_h", "broker_address", "broker_authority",
        "enrol_url",
    }
)  # fmt: skip
"""Parameters that came after the first release: at their default they are left out of the digest, so that stored and
retained documents keep their hash, and agents that don't know them accept it."""


class MeterConfig(Message):
    """What the config service says of one meter; without a spec the device keeps publishing raw frames."""

    spec: SpecRef | None = None


VERSION_MAX: Final = 2**53
VERSION_CEILING: Final = VERSION_MAX - 1024
"""No device takes a higher version: whatever it holds, there must be a higher one that the gateway can give."""


class Desired(Message):
    """The retained desired configuration of one device, versioned and hashed.

    `hash` is `digest()` of what it carries; a message by hand may leave it out, and then is for the gateway alone:
    devices take what it makes of it. `not_supported` names parameters that it does not carry because the device's
    software does not know them.
    """

    version: Annotated[int, Field(ge=1, le=2**53)]
    hash: Short | None = None
    author: Short = "system"
    at: At | None = None
    parameters: Parameters = Field(default_factory=Parameters)
    meters: Annotated[dict[MeterKey, MeterConfig], Field(max_length=MOST_METERS)] = Field(default_factory=dict)
    not_supported: tuple[Short, ...] | None = None

    @model_serializer(mode="wrap")
    def _without_the_unsupported(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = serialize(self)
        for name in self.not_supported or ():
            document.get("parameters", {}).pop(name, None)
        return document

    def digest(self) -> str:
        """SHA-256 in hex over the canonical JSON of version, parameters and meters."""
        content = self.model_dump(mode="json", include={"version", "parameters", "meters"}, exclude_none=True)
        for name in UNHASHED_AT_DEFAULT:
            if getattr(self.parameters, name) == Parameters.model_fields[name].default:
                content["parameters"].pop(name, None)
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def sealed(self) -> Self:
        """The same document with its hash filled in."""
        return self.model_copy(update={"hash": self.digest()})

    @model_validator(mode="after")
    def _hash_fits(self) -> Self:
        if self.hash is not None and self.hash != self.digest():
            raise ValueError("hash does not fit version, parameters and meters; leave it out or recompute it")
        return self


class Reason(Message):
    """One reason of a refusal: the field, and what is wrong with it."""

    field: Short
    reason: Text


ReportedState = Literal["applied", "refused", "reverted"]


class Reported(Message):
    """Which version of the desired configuration a device applied, refused or went back from, and what holds now.

    `version` is the one that the report speaks of, `in_force` the one that `effective` and `specs` belong to. While
    `probation` holds, the version is in force and must still prove itself by readings: of the meters in `watched`, or
    of the first one that speaks where there are none. `held_back` names the fields of a reverted version that are as
    the last good one had them; where the version is `in_force` the rest of it holds.
    """

    version: Annotated[int, Field(ge=0, le=2**53)]
    state: ReportedState
    in_force: Annotated[int, Field(ge=0, le=2**53)] | None = None
    probation: bool = False
    watched: Annotated[tuple[MeterKey, ...], Field(max_length=MOST_METERS)] | None = None
    held_back: Annotated[tuple[Short, ...], Field(max_length=1024)] | None = None
    boot: BootId
    at: At
    reasons: tuple[Reason, ...] = ()
    effective: Parameters
    specs: dict[MeterKey, SpecRef] = Field(default_factory=dict)


class Command(Message):
    """A request to a device; response topic, correlation data and expiry are MQTT 5 properties."""

    arguments: dict[Short, Any] = Field(default_factory=dict)


class Reply(Message):
    """A device's answer to a command; with `reasons` it was refused, field by field, and nothing was done."""

    command: Name
    ok: bool
    result: dict[Short, Any] = Field(default_factory=dict)
    error: Text | None = None
    reasons: tuple[Reason, ...] = ()


class SpecMessage(Message):
    """One immutable spec document; `document` is the spec as meters.specs.spec reads it.

    `sha256` is the document's digest; a message by hand may leave it out, the config service then fills it in.
    """

    spec: Name
    version: Annotated[int, Field(ge=1, le=10**9)]
    sha256: Short | None = None
    document: dict[str, Any]


M = TypeVar("M", bound=Message)


def parse(model: type[M], payload: bytes) -> M:
    """Validate a received payload; unknown fields are ignored at any depth.

    Raises ContractError with the first failing field, or `payload` where it is no JSON or too large.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ContractError(
            f"{len(payload)} bytes", field="payload", fix=f"at most {MAX_PAYLOAD_BYTES} bytes a message"
        )
    try:
        return model.model_validate_json(payload, extra="ignore")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "payload"
        raise ContractError(plain_reason(first), field=field[:200]) from error
