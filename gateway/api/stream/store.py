"""Events and changes in the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import Json

from gateway.api.stream.models import EventView
from store.sql import Database, statement


class StoredEvent(EventView):
    """An event as the store gives it."""

    detail: Json[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Head:
    """Up to which transaction changes are complete, and from which they are kept; None where none is."""

    head: int
    oldest: int | None


@dataclass(frozen=True, slots=True)
class StoredChange:
    """A change."""

    xid: int
    id: int
    at: datetime
    kind: str
    device: str | None
    detail: Json[Mapping[str, object]]


@statement
async def list_events(
    database: Database, device: str | None, event: str | None, severity: str | None, until: datetime, skipped: int,
    limit: int,
) -> list[StoredEvent]:  # fmt: skip
    """Events until a time, the newest first, without so many that were shown already."""


@statement
async def change_head(database: Database) -> Head:
    """Where the newest change is."""


@statement
async def changes_after(database: Database, xid: int, number: int, limit: int) -> list[StoredChange]:
    """What changed behind a place, as far as all transactions before it have ended."""


@statement
async def trim_changes(database: Database) -> None:
    """Delete what nobody reads any more."""
