"""Meters that stand, and the newest readings of their series."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from store.sql import Database, statement


@dataclass(frozen=True, slots=True)
class StandingMeter:
    """A meter at its place; `renamed` where a person gave the point its name. `online` is None where nobody says.

    `device_type` is what a sub-meter is, as its carrier's telegram says (0-n:24.1.0, EN 13757-3): `003`.
    """

    id: int
    key: str
    manufacturer: str | None
    product: str | None
    serial: str | None
    firmware: str | None
    spec: str | None
    installed_at: datetime | None
    parent: str | None
    device: str | None
    online: bool | None
    software: str | None
    hardware: str | None
    point: str | None
    renamed: bool
    device_type: str | None = None


class NewestReading(NamedTuple):
    """The newest reading of a series, and when the one before it was.

    `recent` has the last values, oldest first and this one at the end: of registers and counters eight, of others two.
    """

    series_id: int
    meter_id: int
    obis: str
    unit: str
    kind: str
    at: datetime
    value: float
    before_at: datetime | None
    recent: list[float]


@statement
async def standing_meters(database: Database, most: int) -> list[StandingMeter]:
    """Meters that stand somewhere, the oldest first."""


@statement
async def newest_readings(database: Database, meter_ids: Sequence[int], since: datetime) -> list[NewestReading]:
    """Of each series of these meters the newest reading later than that."""
