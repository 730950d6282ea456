"""Schedules in the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import Json

from store.sql import Connection, Database, statement


@dataclass(frozen=True, slots=True)
class Schedule:
    """Jobs of a kind, asked for by a zone's clock; `last_at` is when it was due last, `error` what was wrong then."""

    name: str
    kind: str
    arguments: Json[Mapping[str, object]]
    cron: str
    zone: str
    enabled: bool
    author: str
    reason: str | None
    changed_at: datetime
    next_at: datetime
    last_at: datetime | None
    last_job: int | None
    error: str | None


@statement
async def list_schedules(database: Database) -> list[Schedule]:
    """All of them by name."""


@statement
async def find_schedule(database: Database, name: str) -> Schedule | None:
    """One of them."""


@statement
async def put_schedule(
    database: Database, name: str, kind: str, arguments: Json[Mapping[str, object]], cron: str, zone: str,
    enabled: bool, author: str, reason: str | None, next_at: datetime,
) -> bool:  # fmt: skip
    """Make or change a schedule; whether it is new."""


@statement
async def drop_schedule(database: Database, name: str) -> bool | None:
    """Remove a schedule; None where there is none."""


@statement
async def due_schedules(connection: Connection) -> list[Schedule]:
    """Those that are due, held for this transaction: no other worker sees them meanwhile."""


@statement
async def note_schedule(
    connection: Connection, name: str, next_at: datetime, job: int | None, error: str | None
) -> None:
    """Say when it is due next, and what became of this time; with an event where that is an error."""
