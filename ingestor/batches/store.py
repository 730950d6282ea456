"""Devices, meters and series by name in the store, readings that conflict, and the ingestor's own events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pydantic import Json

from store.sql import Connection, Database, statement


class DeviceId(NamedTuple):
    """A device's id."""

    name: str
    id: int


class MeterKey(NamedTuple):
    """A meter's key, and whose it is."""

    id: int
    key: str
    device_id: int | None


class Move(NamedTuple):
    """A meter left a device: what is of `at` or later is not its own any more, and of `from_at` on another's.

    It had been nobody's where `from_device_id` is None.
    """

    meter_id: int
    from_device_id: int | None
    at: datetime
    from_at: datetime


class MovedMeter(NamedTuple):
    """A meter that went to another device; `id` is the move's number."""

    id: int
    key: str


class LastMove(NamedTuple):
    """The number of the newest move, 0 where there was none; readings are kept for `keep_s`, None is for ever."""

    id: int
    keep_s: float | None


class SeriesRow(NamedTuple):
    """A series of a meter."""

    id: int
    meter_id: int
    obis: str
    unit: str


@dataclass(frozen=True, slots=True)
class Span:
    """The times of the first and last reading."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Conflict:
    """A value that came for a time at which the table holds another one, `kept`."""

    at: datetime
    meter: str
    meter_id: int
    obis: str
    unit: str
    value: float
    kept: float


@statement
async def add_devices(database: Database, names: Sequence[str], most: int) -> None:
    """Enter devices that are missing, while there are fewer than `most`."""


@statement
async def find_devices(database: Database, names: Sequence[str]) -> list[DeviceId]:
    """Devices by name."""


@statement
async def add_meters(
    database: Database, keys: Sequence[str], device_ids: Sequence[int], specs: Sequence[str | None], most: int
) -> list[str]:
    """Enter meters that are missing, while their devices have fewer than `most`; returns the keys of those entered."""


@statement
async def find_meters(database: Database, keys: Sequence[str]) -> list[MeterKey]:
    """Meters by key."""


@statement
async def find_moves(database: Database, meter_ids: Sequence[int]) -> list[Move]:
    """Which devices these meters left, meter by meter in the order of the moves."""


@statement
async def last_move(database: Database) -> LastMove:
    """The newest move of any meter, and for how long readings are kept."""


@statement
async def moves_after(database: Database, number: int) -> list[MovedMeter]:
    """The next moves behind a number, some at a time."""


@statement
async def add_series(
    database: Database, meter_ids: Sequence[int], obis: Sequence[str], units: Sequence[str], kinds: Sequence[str],
    most: int,
) -> list[int]:  # fmt: skip
    """Enter series that are missing, while their meters have fewer than `most`; returns the meter of each entered."""


@statement
async def find_series(database: Database, meter_ids: Sequence[int]) -> list[SeriesRow]:
    """All series of meters."""


@statement
async def staged_span(connection: Connection) -> Span:
    """Of the readings that are staged in this transaction; there must be some."""


@statement
async def find_conflicts(connection: Connection, since: datetime, until: datetime) -> list[Conflict]:
    """What is staged in this transaction, and other than what the table holds between these times."""


@statement
async def record_event(
    database: Database, device_id: int | None, meter_id: int | None, event: str, severity: str,
    detail: Json[Mapping[str, object]],
) -> None:  # fmt: skip
    """Enter an event of the ingestor's own; the same of the same meter once an hour."""
