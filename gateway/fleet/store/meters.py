"""Meters as the registry keeps them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import Json

from gateway.fleet.meters import StoredMeter
from gateway.store import Severity
from store.sql import Database, statement


@statement
async def meters_by_key(database: Database, keys: Sequence[str]) -> list[StoredMeter]:
    """Those of these meters that are known."""


@statement
async def upsert_meters(
    database: Database, device_id: int, at: datetime, keys: Sequence[str], parents: Sequence[str | None],
    manufacturers: Sequence[str | None], products: Sequence[str | None], serials: Sequence[str | None],
    firmware: Sequence[str | None], protocols: Sequence[str], ports: Sequence[str], facts: Sequence[str],
) -> None:  # fmt: skip
    """Enter meters that a device sees from now on; those that they stand behind must be there."""


@statement
async def add_meter_events(
    database: Database, device_id: int, event: str, keys: Sequence[str], severity: Severity,
    detail: Json[Mapping[str, object]],
) -> None:  # fmt: skip
    """Enter the same event of each of these meters."""


@statement
async def remove_meters(
    database: Database, device_id: int, keys: Sequence[str], ports: Sequence[str], at: datetime
) -> list[str]:
    """Take meters off a device that are no more at these ports, where only these are; returns their keys."""
