"""Registers at the beginning and end of stays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from store.sql import Database, statement

RegisterKind = Literal["opening", "closing"]


@dataclass(frozen=True, slots=True)
class StayRegister:
    """A stay with one of its meter's registers; `now` is the store's time."""

    id: int
    installed_at: datetime
    removed_at: datetime | None
    now: datetime
    series_id: int | None
    obis: str | None
    unit: str | None


@dataclass(frozen=True, slots=True)
class ReadingBeside:
    """A reading."""

    time: datetime
    value: float


@statement
async def stay_to_read(database: Database, point_id: int, key: str) -> list[StayRegister]:
    """The newest stay of a meter at a point, once for each of its registers, or once without one."""


@statement
async def reading_beside(
    database: Database, stay_id: int, series_id: int, kind: RegisterKind, at: datetime
) -> ReadingBeside | None:
    """Of a stay's readings the last until a closing register, or the first from an opening one on."""


@statement
async def enter_register(
    database: Database, stay_id: int, kind: RegisterKind, obis: str, unit: str, value: float, at: datetime, author: str
) -> None:
    """Keep what somebody read, with its event."""


@statement
async def withdraw_register(database: Database, stay_id: int, kind: RegisterKind, obis: str, author: str) -> None:
    """Take back what somebody read, with its event."""


@statement
async def fill_registers(database: Database, stay_ids: Sequence[int]) -> list[int]:
    """Keep the first and last readings of stays; returns the points where one changed, with repeats."""


@statement
async def refresh_swaps(database: Database, point_ids: Sequence[int]) -> None:
    """Bring the events of swaps at these points up to date."""
