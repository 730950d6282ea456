"""Meters, readings and raw frames in the store, as the API shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pydantic import Json

from gateway.api.meters.models import MeterSummary, ReadingView
from store.sql import Database, Reader, statement


class StoredDetail(MeterSummary):
    """A meter with its number and what is known of it."""

    id: int
    facts: Json[dict[str, object]]
    authentication: str | None
    key_ref: str | None
    password_ref: str | None


@dataclass(frozen=True, slots=True)
class Series:
    """One measured quantity of a meter."""

    obis: str
    unit: str
    kind: str


class Reading(NamedTuple):
    """A reading of a series."""

    at: datetime
    series_id: int
    obis: str
    unit: str
    value: float
    source: str
    clock: str


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A raw frame that is kept."""

    received_at: datetime
    id: int
    at: datetime | None
    reason: str
    detail: str | None
    port: str | None
    protocol: str | None
    data: bytes


@statement
async def list_meters(
    database: Database, after: str, device: str | None, removed: bool, limit: int
) -> list[MeterSummary]:
    """Meters behind a key, of a device or of all, with those that were removed or without."""


@statement
async def meter_detail(database: Database, key: str) -> StoredDetail | None:
    """A meter."""


@statement
async def series_of_meter(database: Database, meter_id: int) -> list[Series]:
    """What is measured of a meter."""


@statement
async def latest_of_meter(database: Database, meter_id: int) -> list[ReadingView]:
    """The newest reading of each of its series."""


@statement
async def spec_in_use(database: Database, meter_id: int) -> str | None:
    """The spec that its device reads it by, as it reports."""


@statement
async def readings_of_meter(
    reader: Reader, meter_id: int, obis: Sequence[str] | None, start: datetime, end: datetime, after: datetime,
    after_series: int, limit: int,
) -> list[Reading]:  # fmt: skip
    """Readings in [start, end) behind a place, in the order of time."""


@statement
async def list_frames(reader: Reader, meter_id: int, before: datetime, before_id: int, limit: int) -> list[RawFrame]:
    """Raw frames of a meter before a place, the newest first."""
