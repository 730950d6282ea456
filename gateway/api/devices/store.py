"""Devices in the store, as the API shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from pydantic import Json

from broker.contract.messages import ReportedState
from gateway.api.devices.models import ConfigState, DeviceOrder
from store.sql import Database, statement


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """A device in a list; `sort_key` is by what it stands where it stands."""

    device_id: int
    device: str
    online: bool | None
    revoked: bool
    first_seen_at: datetime
    last_seen_at: datetime | None
    registered_at: datetime | None
    software: str | None
    meter_count: int
    desired_version: int | None
    reported_version: int | None
    reported_state: ReportedState | None
    in_step: bool | None
    config_state: ConfigState | None
    held_back: list[str] | None
    labels: Json[dict[str, str]]
    sort_key: str
    specs: list[str]
    silent: list[str]


@dataclass(frozen=True, slots=True)
class StoredDevice:
    """All that is known of a device but its meters; what it never reported, of itself or of its outbox, is None."""

    device: str
    online: bool | None
    revoked: bool
    first_seen_at: datetime
    last_seen_at: datetime | None
    registered_at: datetime | None
    software: str | None
    meter_count: int
    desired_version: int | None
    reported_version: int | None
    reported_state: ReportedState | None
    registration: Json[dict[str, object]] | None
    desired: Json[dict[str, object]] | None
    reasons: Json[list[dict[str, object]]] | None
    effective: Json[dict[str, object]] | None
    specs: Json[dict[str, str]] | None
    at: datetime | None
    received_at: datetime | None
    in_force: int | None
    probation: bool | None
    watched: list[str] | None
    held_back: list[str] | None
    config_state: ConfigState | None
    silent: list[str]
    labels: Json[dict[str, str]]
    told_at: datetime | None
    waiting: int | None
    waiting_for_s: float | None
    unconfirmed: int | None
    unconfirmed_for_s: float | None


@dataclass(frozen=True, slots=True)
class UsedQuota:
    """What a device used of a quota on a UTC day; `allowed` is None for a share of the present."""

    day: date
    quota: str
    used: int
    allowed: int | None
    cut: int
    cut_bytes: int
    cut_at: datetime | None


@statement
async def list_devices(
    database: Database, after_key: str | None, after: str | None, online: bool | None, in_step: bool | None,
    text: str | None, sort: DeviceOrder, descending: bool, limit: int, names: Sequence[str] | None,
) -> list[ListedDevice]:  # fmt: skip
    """Devices behind a place in an order, of these names where some are given."""


@statement
async def device_detail(database: Database, device: str) -> StoredDevice | None:
    """All that is known of a device but its meters."""


@statement
async def device_specs(database: Database, device: str) -> list[str]:
    """The specs that read its meters."""


@statement
async def device_quotas(database: Database, device: str) -> list[UsedQuota]:
    """What it used of its quotas today, and where it was over one the day before."""
