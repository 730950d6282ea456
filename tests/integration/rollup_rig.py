"""Filling a database of either edition with readings, and rolling them up as that edition does."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg

from store.rollups import STEPS, Refreshed, refresh, refresh_aggregates
from tests.faults.ingesting import Table
from tests.servers import Database

METERS = """
INSERT INTO device (name, online) VALUES ('pi-1', true);
INSERT INTO meter (key, device_id, spec, port, installed_at)
    SELECT 'TST:' || n, 1, 'test@1', '/dev/ttyUSB' || n, '2026-01-01Z' FROM generate_series(1, 3) n;
INSERT INTO series (meter_id, obis, unit, kind) SELECT m.id, o.obis, o.unit, o.kind
    FROM meter m, (VALUES ('1-0:1.8.0', 'kWh', 'register'), ('1-0:16.7.0', 'kW', 'instantaneous')) o (obis, unit, kind)
    ORDER BY m.id, o.obis;
"""
"""Meters 1 to 3, each with a register (series 1, 3, 5) and a power (series 2, 4, 6)."""

COLUMNS = "bucket, series_id, first_value, first_at, last_value, last_at, min_value, max_value, mean_value, readings"


class Store(Table):
    """Questions to a database, and its roll-ups brought up to date."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", edition: str) -> None:
        super().__init__(connection)
        self.connection = connection
        self.edition = edition

    async def add(self, series: int, *readings: tuple[str, float]) -> None:
        """Store readings of a series, (time, value)."""
        times = [datetime.fromisoformat(time).astimezone(UTC) for time, _ in readings]
        await self.connection.execute(
            "INSERT INTO reading (time, value, series_id, source) SELECT t, v, $3, 0 FROM unnest($1::timestamptz[],"
            " $2::float8[]) u (t, v) ON CONFLICT DO NOTHING",
            times,
            [value for _, value in readings],
            series,
        )

    async def roll_up(self, settle_s: float = 10.0) -> Refreshed:
        """What the ingestor does within the stated time, with its rights."""
        if self.edition == "apache":
            return await refresh(self.connection, settle_s=settle_s)
        await self.execute("SET ROLE wattline_ingestor")
        try:
            return await refresh_aggregates(self.connection)
        finally:
            await self.execute("RESET ROLE")

    async def rolled_up(self) -> dict[str, list[tuple[object, ...]]]:
        """All rows of each level, as everybody sees them."""
        return {
            step: await self.rows(f"SELECT {COLUMNS} FROM rollup_{step} ORDER BY series_id, bucket")  # noqa: S608 - the test's own text
            for step in STEPS
        }


@contextlib.asynccontextmanager
async def store_of(database: Database) -> AsyncIterator[Store]:
    """A connection to a database of either edition."""
    connection = await asyncpg.connect(database.dsn())
    try:
        licence = await connection.fetchval("SELECT current_setting('timescaledb.license')")
        yield Store(connection, "apache" if licence == "apache" else "community")
    finally:
        await connection.close()
