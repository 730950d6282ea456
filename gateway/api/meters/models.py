"""What the API answers about meters, their readings and frames, and the queries that it takes."""

from pydantic import Field

from broker.contract.messages import At
from gateway.keys.rules import KeyKind
from gateway.models import ApiModel, Cursor, Instant, ObisList, PageQuery, StoredAt

MAX_READINGS = 10_000


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
    secrets: tuple[KeyKind, ...] = Field(
        description="What can be set for it at /meters/{meter}/key: keys where its telegrams are ciphered or its spec"
        " asks by HLS 5, the password where its spec asks by LLS or in the programming mode of IEC 62056-21."
    )
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
    at: StoredAt | None
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
