"""Points of delivery, and the stays of meters at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.fleet.placement import Point
from store.sql import Database, statement


@dataclass(frozen=True, slots=True)
class OpenStay:
    """Where a meter stands now; `id` is the point's."""

    key: str
    id: int
    device_id: int
    port: str
    channel: str
    slot: int


@dataclass(frozen=True, slots=True)
class MadePoint:
    """A point by where it is."""

    id: int
    port: str
    channel: str
    slot: int


@dataclass(frozen=True, slots=True)
class FalseSwap:
    """A stay that was closed though its meter never left, and the one that seemed to follow it."""

    old_id: int
    old_meter: str
    new_id: int
    new_meter: str
    port: str
    channel: str


@statement
async def open_stays(database: Database, keys: Sequence[str]) -> list[OpenStay]:
    """Where these meters stand, of those that stand anywhere."""


@statement
async def points_of_ports(database: Database, device_id: int, ports: Sequence[str]) -> list[Point]:
    """The points at some ports of a device."""


@statement
async def ensure_points(
    database: Database, device_id: int, ports: Sequence[str], channels: Sequence[str], slots: Sequence[int]
) -> list[MadePoint]:
    """The numbers of points, made where they are new; each may be named once."""


@statement
async def rename_point(database: Database, point_id: int, name: str, author: str) -> None:
    """Call a point otherwise, with its event. Raises asyncpg.UniqueViolationError where another is called so."""


@statement
async def close_stays(database: Database, keys: Sequence[str], at: Sequence[datetime], boot: str) -> list[int]:
    """End the stays of these meters, each at its time, as a boot sees; returns the stays."""


@statement
async def open_stays_at(
    database: Database, point_ids: Sequence[int], keys: Sequence[str], since: Sequence[datetime], boot: str
) -> list[int]:
    """Begin the stays of meters at points, each point once, and never before the meter that one follows left."""


@statement
async def move_stay(database: Database, stay_id: int, point_id: int) -> None:
    """Put a stay to another point."""


@statement
async def reopen_stay(database: Database, stay_id: int) -> None:
    """Let a stay that was closed go on."""


@statement
async def false_swaps(database: Database, device_id: int, keys: Sequence[str], boot: str) -> list[FalseSwap]:
    """Of these meters those that a boot removed though another agent still sees them."""


@statement
async def record_swaps(database: Database, stay_ids: Sequence[int]) -> None:
    """Enter the events of those of these stays that follow another meter's."""


@statement
async def stays_to_check(database: Database, limit: int) -> list[int]:
    """Stays whose registers are to be looked for now."""


@statement
async def plan_next_check(database: Database, stay_ids: Sequence[int], every_s: float) -> None:
    """When to look for their registers again."""
