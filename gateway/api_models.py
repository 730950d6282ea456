"""What the HTTP API answers, and the queries that it takes; the OpenAPI document is made from these."""

import base64
import binascii
import json
import re
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from broker.messages import At, Parameters, ReportedState

PAGE = 100
MAX_PAGE = 1000
MAX_READINGS = 10_000
MAX_WAIT_S = 60
MAX_VERSION = 2**31 - 1
"""Of a layer's versions: what the database counts them in."""
OBIS_CODE = r"\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(\*\d{1,3})?"


def encode_cursor(*key: Any) -> str:
    """Where the next page begins, as text that callers hand back unread."""
    return base64.urlsafe_b64encode(json.dumps(key, default=str).encode()).decode().rstrip("=")


def _decode_cursor(text: object) -> object:
    try:
        key = json.loads(base64.urlsafe_b64decode(str(text) + "=" * (-len(str(text)) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise ValueError("this is no cursor; take `next` of the page before, or leave it out") from error
    if not isinstance(key, list):
        raise ValueError("this is no cursor; take `next` of the page before, or leave it out")  # noqa: TRY004
    return key


def _split(value: object) -> object:
    parts = [value] if isinstance(value, str) else value
    return [code for part in parts for code in str(part).split(",")] if isinstance(parts, list) else parts


def _plus(value: object) -> object:
    # a `+` that a caller forgot to escape arrives as a blank; no time zone has one there
    return re.sub(r" (?=\d\d:?\d\d$)", "+", value) if isinstance(value, str) and "T" in value else value


Cursor = Annotated[list[Any], BeforeValidator(_decode_cursor, json_schema_input_type=str)]
Instant = Annotated[AwareDatetime, BeforeValidator(_plus)]
ObisList = Annotated[
    tuple[Annotated[str, Field(pattern=f"^{OBIS_CODE}$")], ...],
    BeforeValidator(_split, json_schema_input_type=Annotated[str, Field(pattern=f"^{OBIS_CODE}(,{OBIS_CODE})*$")]),
]


def exactly_one(*names: str) -> ConfigDict:
    """A model's config whose JSON schema says that one of these fields must be given, and no other of them."""
    given: list[Any] = [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in names]
    return ConfigDict(json_schema_extra={"oneOf": given})


class ApiModel(BaseModel):
    """What all documents of the API share."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class PageQuery(ApiModel):
    """Which page of a list."""

    limit: int = Field(default=PAGE, ge=1, le=MAX_PAGE, description="Most items in the answer.")
    cursor: Cursor | None = Field(default=None, description="`next` of the page before.")


def _whole(value: Any) -> Any:
    # JSON has one kind of number, and its schemas call 5.0 an integer
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""For strict whole numbers of a request."""
ConfigState = Literal["waiting", "refused", "reverted", "on_probation", "never_confirmed", "confirmed"]
DeviceOrder = Literal["device", "last_seen_at", "online", "in_step", "meters", "software"]


class DevicesQuery(PageQuery):
    """Which devices, in which order."""

    online: bool | None = Field(default=None, description="Only those that are online, or that are not.")
    in_step: bool | None = Field(default=None, description="Only those that have what is desired, or that have not.")
    q: str | None = Field(
        default=None, max_length=100, pattern=r"^[^\x00]*$",
        description="Only those with this text in their name, software, a meter's key or spec.",
    )  # fmt: skip
    sort: DeviceOrder = Field(default="device", description="By what.")
    descending: bool = Field(default=False, description="The other way round.")
    selector: str | None = Field(
        default=None, max_length=2048, description="Only those with these labels: site=warsaw,model!=pi3,tested,!spare."
    )


class MetersQuery(PageQuery):
    """Which meters."""

    device: str | None = Field(default=None, description="Only meters of this device.")
    removed: bool = Field(default=False, description="Also meters that have been removed.")


class ReadingsQuery(ApiModel):
    """Which readings of a meter: `from` <= time < `to`, RFC 3339 with an offset."""

    obis: ObisList | None = Field(default=None, description="OBIS codes, with commas between; all without it.")
    start: Instant | None = Field(default=None, alias="from", description="24 hours before `to` without it.")
    end: Instant | None = Field(default=None, alias="to", description="Now without it.")
    limit: int = Field(default=1000, ge=1, le=MAX_READINGS, description="Most readings in the answer.")
    cursor: Cursor | None = Field(default=None, description="`next` of the page before.")


class ChangeQuery(ApiModel):
    """Who changes parameters, why, and how long to wait for the device's report."""

    author: str = Field(default="api", min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]*$")
    reason: str | None = Field(default=None, max_length=1000, pattern=r"^[^\x00]*$")
    wait_s: float = Field(default=0, ge=0, le=MAX_WAIT_S, description="Wait so long for the report.")


class Fault(ApiModel):
    """One thing wrong with a request."""

    field: str
    reason: str
    fix: str = ""


class ProblemDocument(ApiModel):
    """An error as RFC 9457 has it; `field` and `errors` name what is wrong with the request."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    errors: tuple[Fault, ...] = ()
    current: dict[str, Any] | None = Field(default=None, description="With 412: what holds now.")


class DeviceSummary(ApiModel):
    """A device and how its configuration stands; `in_step` is null where nothing is desired."""

    device: str
    online: bool | None
    first_seen_at: At
    last_seen_at: At | None
    registered_at: At | None
    software: str | None
    meter_count: int = Field(description="Meters now in place.")
    desired_version: int | None
    reported_version: int | None
    reported_state: ReportedState | None
    in_step: bool | None
    config_state: ConfigState | None = Field(
        description="waiting (not reported yet), refused, reverted, on_probation, never_confirmed (no meter speaks "
        "that could prove it) or confirmed; null where nothing is desired."
    )
    held_back: tuple[str, ...] = Field(description="Fields that it has as before, because they were reverted.")
    silent: tuple[str, ...] = Field(
        description="Meters that a spec reads and of which no reading has come for 15 minutes and three intervals."
    )
    specs: tuple[str, ...] = Field(default=(), description="Specs that read its meters.")
    labels: dict[str, str] = Field(description="Those that people gave; GET .../labels has the facts beside them.")


class MeterSummary(ApiModel):
    """A meter: what it is, where it is, and the spec that reads it."""

    meter: str
    device: str | None
    parent: str | None
    manufacturer: str | None
    product: str | None
    serial: str | None
    firmware: str | None
    protocol: str | None
    port: str | None
    spec: str | None
    installed_at: At | None
    removed_at: At | None


class ReportView(ApiModel):
    """What a device last reported."""

    version: int
    state: ReportedState
    in_force: int | None = Field(description="The version that `effective` and `specs` belong to.")
    probation: bool = Field(description="In force, and still to prove itself by readings.")
    watched: tuple[str, ...] | None = Field(
        description="Meters whose readings must still prove it; with none it waits for the first that speaks. "
        "Null from agents that don't tell it."
    )
    held_back: tuple[str, ...] = Field(
        description="Fields of a reverted version that are as the last good one had them; `retry_config` tries them."
    )
    reasons: list[dict[str, Any]]
    effective: dict[str, Any]
    specs: dict[str, str]
    at: At
    received_at: At


class Drift(ApiModel):
    """Where a device's effective configuration differs from the desired one."""

    field: str
    desired: Any
    reported: Any


class DeviceDetail(DeviceSummary):
    """All that is known of a device."""

    registration: dict[str, Any] | None
    meters: tuple[MeterSummary, ...]
    desired: dict[str, Any] | None
    reported: ReportView | None
    drift: tuple[Drift, ...]


class DevicePage(ApiModel):
    """Devices by name."""

    items: tuple[DeviceSummary, ...]
    next: str | None


class MeterPage(ApiModel):
    """Meters by key."""

    items: tuple[MeterSummary, ...]
    next: str | None


class SeriesView(ApiModel):
    """One measured quantity of a meter."""

    obis: str
    name: str = Field(description="What the code measures, in English: `Power L1, import`; '' where nobody knows.")
    unit: str
    kind: str


class MeterDetail(MeterSummary):
    """All that is known of a meter."""

    facts: dict[str, str]
    addresses: tuple[str, ...]
    series: tuple[SeriesView, ...]


class ReadingView(ApiModel):
    """One value in its canonical unit; `clock` says how far to trust `at`."""

    at: At
    obis: str
    value: float
    unit: str
    source: str
    clock: str


class LatestReadings(ApiModel):
    """The newest reading of each series of a meter."""

    meter: str
    spec: str | None = Field(description="The spec version that its device reads it by, as it reports.")
    items: tuple[ReadingView, ...]


class ReadingPage(ApiModel):
    """Readings in the order of time."""

    meter: str
    start: At = Field(alias="from")
    end: At = Field(alias="to")
    items: tuple[ReadingView, ...]
    next: str | None


class FrameView(ApiModel):
    """A raw frame that is kept; `at` is when the device took it from the line."""

    received_at: At
    at: At | None
    reason: str
    detail: str | None
    port: str | None
    protocol: str | None
    hex: str


class FramePage(ApiModel):
    """Raw frames of a meter, the newest first."""

    meter: str
    items: tuple[FrameView, ...]
    next: str | None


class LayerView(ApiModel):
    """What one scope sets of its own; with `stage` it is of a staged change that has not become a version yet."""

    scope: str
    version: int
    hash: str
    stage: int | None = None
    parameters: dict[str, Any]
    author: str | None
    reason: str | None
    created_at: At | None


class DeviceParameters(ApiModel):
    """A device's parameters: what holds, from which layers, and what the device made of it."""

    device: str
    version: int | None = Field(description="Version of the desired configuration.")
    effective: Parameters
    layers: tuple[LayerView, ...] = Field(description="The lowest first; a later one overrides.")
    groups: tuple[str, ...] = Field(description="The groups that it belongs to, in the order of their layers.")
    not_supported: tuple[str, ...] = Field(
        description="Parameters that a layer sets and that are left out, as its software does not know them."
    )
    reported: ReportView | None
    in_step: bool | None
    config_state: ConfigState | None = Field(description="How it stands, as for a device.")
    drift: tuple[Drift, ...]


class NotSupported(ApiModel):
    """A parameter that the scope sets and that is left out for some of its devices; the first 100 are named."""

    parameter: str
    count: int
    devices: tuple[str, ...]


class ScopeParameters(ApiModel):
    """Parameters of many devices; after a change also whom it changed, and who has not reported it yet."""

    effective: Parameters
    layers: tuple[LayerView, ...]
    not_supported: tuple[NotSupported, ...]
    stage: int | None = Field(default=None, description="The staged change that is open.")
    changed: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()


class FleetParameters(ScopeParameters):
    """The fleet's parameters."""


class GroupParameters(ScopeParameters):
    """A group's parameters: what a device has that is in no other group, and where it comes from."""

    group: str
    selector: str
    priority: int
