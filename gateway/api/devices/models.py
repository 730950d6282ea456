"""What the API answers about devices, and the queries that it takes."""

from datetime import date
from typing import Any, Literal

from pydantic import Field

from broker.contract.messages import At, ReportedState
from gateway.api.meters.models import MeterSummary
from gateway.models import ApiModel, PageQuery, StoredAt

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


class DeviceSummary(ApiModel):
    """A device and how its configuration stands; `in_step` is null where nothing is desired."""

    device: str
    online: bool | None
    revoked: bool = Field(description="All of its logins at the broker have been ended: it can't come back by itself.")
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


class ReportView(ApiModel):
    """What a device last reported."""

    version: int
    state: ReportedState
    in_force: int | None = Field(description="The version that `effective` and `specs` belong to.")
    probation: bool = Field(description="In force, and still to prove itself by readings.")
    watched: tuple[str, ...] | None = Field(
        description="Meters whose readings must still prove it; with none it waits for the first that speaks. "
        "Null from agents that don't report it."
    )
    held_back: tuple[str, ...] = Field(
        description="Fields of a reverted version that are as the last good one had them; `retry_config` tries them."
    )
    reasons: list[dict[str, Any]]
    effective: dict[str, Any]
    specs: dict[str, str]
    at: StoredAt
    received_at: At


class OutboxView(ApiModel):
    """What waited in a device's outbox for longer than a minute, as it reported last."""

    told_at: StoredAt = Field(description="By the device's clock.")
    waiting: int = Field(description="Messages that the broker did not have.")
    waiting_for_s: float
    unconfirmed: int = Field(description="Messages that the broker had and the store had not confirmed.")
    unconfirmed_for_s: float


class QuotaView(ApiModel):
    """What a device used of a quota on a UTC day, and what was not taken of it."""

    day: date
    quota: str = Field(description="docs/OPERATE.md, What one device may use.")
    used: int = Field(
        description="Pieces or bytes; 0 for a share of the present, of which only what is cut is counted."
    )
    allowed: int | None = Field(description="A day; null for a share of the present.")
    cut: int = Field(description="Messages, meters or series that were not taken.")
    cut_bytes: int = Field(description="Of the messages among them.")
    cut_at: At | None = Field(description="The last time.")


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
    outbox: OutboxView | None = Field(description="Null where the device's software does not report it.")
    quotas: tuple[QuotaView, ...] = Field(description="Used today, and of the day before where it was over one.")


class DevicePage(ApiModel):
    """Devices by name."""

    items: tuple[DeviceSummary, ...]
    next: str | None
