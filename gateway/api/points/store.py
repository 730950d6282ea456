"""Points of delivery in the store, as the API shows them."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import Json

from gateway.api.points.models import PointSummary
from store.sql import Database, statement


@dataclass(frozen=True, slots=True)
class Stay:
    """When a meter stood at a point, with its registers at both ends."""

    meter: str
    installed_at: datetime
    removed_at: datetime | None
    opening: Json[list[dict[str, object]]]
    closing: Json[list[dict[str, object]]]


@statement
async def list_points(database: Database, after: str, device: str | None, limit: int) -> list[PointSummary]:
    """Points behind a name, of a device or of all."""


@statement
async def point_detail(database: Database, number: int) -> PointSummary | None:
    """A point."""


@statement
async def stays_of_point(database: Database, number: int) -> list[Stay]:
    """Its stays, the newest first, 100 at most."""
