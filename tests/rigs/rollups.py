"""Filling a database of either edition with readings, and rolling them up as that edition does."""

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from store.rollups import STEPS, Refreshed, refresh, refresh_aggregates
from store.sql import Connection
from tests.rigs.ingesting import Table
from tests.rigs.servers import Database

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

    def __init__(self, connection: Connection, edition: str) -> None:
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
    async with database.connection() as connection:
        licence = await connection.fetchval("SELECT current_setting('timescaledb.license')")
        yield Store(connection, "apache" if licence == "apache" else "community")


SPEC = {"name": "test", "version": 1, "digits": 5, "points": [{"obis": "1-0:1.8.0"}]}


async def fill(store: Store, series: int) -> None:
    """As many registers as wanted, with a spec of five digits."""
    await store.execute(METERS)
    await store.connection.execute(
        "INSERT INTO spec (name, version, document, source, sha256) VALUES ('test', 1, $1, '', '')", json.dumps(SPEC)
    )
    await store.execute("TRUNCATE series RESTART IDENTITY")
    await store.connection.execute(
        "INSERT INTO meter (key, device_id, spec) SELECT 'MANY:' || n, 1, 'test@1' FROM generate_series(1, $1::int) n",
        series,
    )
    await store.execute(
        "INSERT INTO series (meter_id, obis, unit, kind) SELECT id, '1-0:1.8.0', 'kWh', 'register' FROM meter"
        " WHERE key LIKE 'MANY:%' ORDER BY id"
    )


SLOW = """
UPDATE meter SET spec = 'asked@1' WHERE key = 'TST:2';
UPDATE meter SET port = NULL WHERE key = 'TST:3';
INSERT INTO spec (name, version, document, source, sha256) VALUES ('asked', 1, '{"link": {"interval_s": 900}}', '', '');
INSERT INTO reported (device_id, version, state, reasons, effective, boot, at)
    VALUES (1, 1, 'applied', '[]', '{"reading_interval_s": 1}', 'b', now());
INSERT INTO meter (key, device_id, parent_id, spec, installed_at)
    SELECT v, 1, 1, 'test@1', now() - interval '40 days' FROM unnest('{G:new,G:hour,G:day,G:dead,G:burst}'::text[]) v;
INSERT INTO series (meter_id, obis, unit, kind)
    SELECT id, '7-0:3.0.0', 'm³', 'register' FROM meter WHERE key LIKE 'G:%' ORDER BY id;
INSERT INTO reading
SELECT now() - r.ago, 1, s.id, 4
FROM series s
JOIN meter m ON m.id = s.meter_id
JOIN LATERAL (
    SELECT interval '50 minutes' AS ago WHERE m.key = 'G:new'
    UNION ALL SELECT interval '45 minutes' + n * interval '1 hour' FROM generate_series(0, 9) n WHERE m.key = 'G:hour'
    UNION ALL SELECT interval '20 hours' + n * interval '1 day' FROM generate_series(0, 4) n WHERE m.key = 'G:day'
    UNION ALL SELECT interval '215 minutes' + n * interval '1 hour' FROM generate_series(0, 9) n WHERE m.key = 'G:dead'
    UNION ALL SELECT interval '20 minutes' + n * interval '9 us' FROM generate_series(0, 9) n WHERE m.key = 'G:burst'
    UNION ALL SELECT interval '10 minutes' + n * interval '1 second' FROM generate_series(0, 9) n WHERE m.key = 'TST:1'
    UNION ALL SELECT interval '50 minutes' WHERE m.key = 'TST:2'
) r ON true
WHERE s.obis <> '16.7.0';
"""
"""Behind TST:1, which reads each second, a new meter, an hourly, a daily, one that stopped, and one that burst once."""


POINTS = "INSERT INTO point (name, device_id, port) SELECT 'house ' || n, 1, 'p' || n FROM generate_series(1, 5) n"


async def stay(store: Store, point: int, meter: int, since: str, until: str | None = None) -> int:
    """A stay of meter MANY:n, whose only series has the number n; returns its id."""
    made = await store.value(
        "INSERT INTO meter_stay (point_id, meter_id, installed_at, removed_at)"
        " SELECT $1, meter_id, $2::text::timestamptz, $3::text::timestamptz FROM series WHERE id = $4 RETURNING id",
        point, since, until, meter,
    )  # fmt: skip
    await store.connection.execute(
        "UPDATE meter SET point_id = $1, removed_at = $2::text::timestamptz"
        " WHERE id = (SELECT meter_id FROM series WHERE id = $3)",
        point, until, meter,
    )  # fmt: skip
    return int(made)
