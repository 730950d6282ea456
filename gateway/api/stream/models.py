"""What the API answers about events and live changes, and the queries that it takes."""

from typing import Any, Literal

from pydantic import Field

from broker.contract.messages import At
from gateway.api.auth.models import KIND_PATTERN, ChangeKind
from gateway.models import ApiModel, PageQuery, StoredAt


class StreamQuery(ApiModel):
    """What to follow, from where, and for how long."""

    kinds: str | None = Field(
        default=None, pattern=KIND_PATTERN, description="Kinds with commas between; all without it."
    )
    device: str | None = Field(default=None, max_length=64, pattern=r"^[^\x00]*$", description="Only of this device.")
    last_event_id: str | None = Field(
        default=None, pattern=r"^[0-9]{1,19}\.[0-9]{1,19}$",
        description="As the header Last-Event-ID: go on behind this change.",
    )  # fmt: skip
    for_s: float | None = Field(default=None, gt=0, le=86400, description="End after so many seconds.")


class ChangeView(ApiModel):
    """One change, the `data` of an event of the stream."""

    kind: ChangeKind
    at: At
    device: str | None
    detail: dict[str, Any]


class EventsQuery(PageQuery):
    """Which events."""

    device: str | None = Field(default=None, max_length=64, pattern=r"^[^\x00]*$", description="Only of this device.")
    event: str | None = Field(default=None, max_length=64, pattern=r"^[^\x00]*$", description="Only of this name.")
    severity: Literal["info", "warning", "error"] | None = Field(default=None, description="Only of this severity.")


class EventView(ApiModel):
    """Something that a device or a service found worth telling."""

    received_at: At
    at: StoredAt
    device: str | None
    meter: str | None
    source: str
    event: str
    severity: Literal["info", "warning", "error"]
    detail: dict[str, Any]


class EventPage(ApiModel):
    """Events, the newest first."""

    items: tuple[EventView, ...]
    next: str | None
