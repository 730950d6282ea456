"""How far an output of each reading is, and the readings that it has still to give."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from store.sql import Affected, Database, statement


@dataclass(frozen=True, slots=True)
class Span:
    """Readings that were stored by one transaction, both times among them; `xid` is its number, `at` when."""

    xid: str
    id: int
    at: datetime
    from_at: datetime
    until_at: datetime
    series: list[int]


class StoredReading(NamedTuple):
    """A reading with the names of its series."""

    series_id: int
    meter: str
    obis: str
    unit: str
    at: datetime
    value: float


@statement
async def open_cursor(database: Database, name: str, since: datetime | None) -> None:
    """Have an output known, from when on what is stored is noted for it; one that was away too long is seeded again."""


@statement
async def seed_spans(database: Database, name: str) -> Affected:
    """Once nobody writes who may not know of it, enter what was stored before; once for each."""


@statement
async def rebase_spans(database: Database) -> Affected:
    """Put what a restored database has of another one's transactions among its own."""


@statement
async def next_spans(database: Database, name: str, most: int) -> list[Span]:
    """What is to be given next, in the order of commits; nothing that a running transaction may come before."""


@statement
async def readings_between(
    database: Database, series: Sequence[int], from_at: datetime, until_at: datetime, after_series: int,
    after_at: datetime, most: int,
) -> list[StoredReading]:  # fmt: skip
    """Readings of series between two times, behind that one of that series."""


@statement
async def newest_of_meters(database: Database, since: datetime, most: int) -> list[StoredReading]:
    """Newest readings of different series since then, of as many meters as there are."""


@statement
async def advance_cursor(database: Database, name: str, xid: str, span_id: int) -> None:
    """Note that all is given up to this span."""


@statement
async def note_look(database: Database, name: str) -> None:
    """Note that an output still wants to know, a minute after it did so last."""


@statement
async def drop_spans(database: Database) -> Affected:
    """Forget what every output has given."""
