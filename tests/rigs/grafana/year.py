"""A year of readings whose sums are known, and what Grafana's role is asked about it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from store.ledger import CLOSE_AFTER, fold
from store.migrate import migrate
from tests.rigs.rollups import store_of
from tests.rigs.servers import Database

TOTAL, TARIFFS, SILENT = "LGZ:total", "KFM:tariffs", "O'Neill:1"
METERS = [TARIFFS, TOTAL, SILENT]
DEVICES = ["d1", "d2", "d3"]
QUARTER = timedelta(minutes=15)
ZONE = "Europe/Warsaw"
_SEED = Path(__file__).with_name("seed_year.sql")


@dataclass(frozen=True)
class Year:
    """A seeded database and where its days begin.

    Community, which runs in WebAssembly, has the days at the changes of the clocks and the last 45 days only.
    """

    database: Database
    edition: str
    zone: ZoneInfo
    first: datetime
    last: datetime

    def midnight(self, back: int = 0) -> datetime:
        """When the local day began that was so many days ago."""
        day = datetime.now(self.zone).date() - timedelta(days=back)
        return self.start_of(day)

    def start_of(self, day: date) -> datetime:
        """When a local day begins."""
        return datetime.combine(day, datetime.min.time(), self.zone).astimezone(UTC)

    def energy(self, since: datetime, until: datetime, meter: str = TOTAL, tariff: int | None = None) -> float:
        """What a meter used between two quarter-hours, as seed_year.sql has it, reckoned anew."""
        total, at = 0.0, max(since, self.first)
        while at < min(until, self.last):
            hour = at.astimezone(self.zone).hour
            if meter == TOTAL:
                total += 0.75 if 18 <= hour < 20 else 0.25
            elif tariff is None or tariff == (1 if 6 <= hour < 22 else 2):
                total += 0.5 if 6 <= hour < 22 else 0.25
            at += QUARTER
        return total


async def seed(database: Database) -> Year:
    """Fill a migrated database with the year up to now. Takes a few seconds."""
    await migrate(database.dsn(), settings={"zone": ZONE})
    now = datetime.now(UTC)
    last = datetime.fromtimestamp(now.timestamp() // 900 * 900, UTC)
    first = last - timedelta(days=366)
    async with store_of(database) as store:
        await store.value("SELECT set_config('wattline.first', $1, false)", first.isoformat())
        await store.value("SELECT set_config('wattline.last', $1, false)", last.isoformat())
        await store.value("SELECT set_config('wattline.edition', $1, false)", store.edition)
        await store.execute(_SEED.read_text())
        await store.roll_up()
        await fold(store.connection, now=datetime.now(UTC) + CLOSE_AFTER)
    return Year(database, store.edition, ZoneInfo(ZONE), first, last)


@contextlib.asynccontextmanager
async def connected(database: Database, role: str | None = None) -> AsyncIterator[Any]:
    """A connection that may do all, or what a role may."""
    async with database.connection() as opened:
        # Community's server has one session for all connections, which keeps the role of the one before
        await opened.execute("RESET ROLE" if role is None else f"SET ROLE {role}")
        yield opened
        # a connection that is kept would
        await opened.execute("RESET ROLE")


async def rows(database: Database, sql: str) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The columns with their types, and the rows, that Grafana's role gets for a query."""
    async with connected(database, "wattline_grafana") as opened:
        prepared = await opened.prepare(sql)
        columns = {each.name: each.type.name for each in prepared.get_attributes()}
        return columns, [dict(row) for row in await prepared.fetch()]
