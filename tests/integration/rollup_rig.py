"""Filling a database of either edition with readings, and rolling them up as that edition does."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg

from store.rollups import Refreshed, refresh
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
        """What the ingestor (Apache) or TimescaleDB's workers (Community) do within the stated time."""
        if self.edition == "apache":
            return await refresh(self.connection, settle_s=settle_s)
        jobs = await self.rows(
            "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_refresh_continuous_aggregate'"
            " ORDER BY job_id"
        )
        for (job,) in jobs:
            await self.execute(f"CALL run_job({job})")
        return Refreshed()


@contextlib.asynccontextmanager
async def store_of(database: Database) -> AsyncIterator[Store]:
    """A connection to a database of either edition."""
    connection = await asyncpg.connect(database.dsn())
    try:
        licence = await connection.fetchval("SELECT current_setting('timescaledb.license')")
        yield Store(connection, "apache" if licence == "apache" else "community")
    finally:
        await connection.close()
