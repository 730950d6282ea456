"""Registers of meters as the ingestor stores them, for tests of points of delivery."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from tests.rigs.gateway import (
    connection,
)
from tests.rigs.servers import Database


async def store(database: Database, meter: str, values: dict[str, tuple[str, float]], at: datetime) -> None:
    """Readings of a meter as the ingestor stores them: kind and value by code."""
    async with connection(database) as opened:
        for obis, (kind, value) in values.items():
            await opened.execute(
                """WITH s AS (
                       INSERT INTO series (meter_id, obis, unit, kind)
                       SELECT id, $2, 'kWh', $3 FROM meter WHERE key = $1
                       ON CONFLICT (meter_id, obis, unit) DO UPDATE SET kind = excluded.kind RETURNING id)
                   INSERT INTO reading (time, value, series_id, source) SELECT $4, $5, id, 0 FROM s""",
                meter,
                obis,
                kind,
                at,
                value,
            )


def registers(imported: float, exported: float = 0.0) -> dict[str, tuple[str, float]]:
    return {
        "1-0:1.8.0": ("register", imported),
        "1-0:2.8.0": ("register", exported),
        "1-0:16.7.0": ("instantaneous", 0.5),
    }


def eventually(database: Database, sql: str, *values: Any) -> Callable[[], Awaitable[Any]]:
    async def ask() -> Any:
        async with connection(database) as opened:
            return await opened.fetchval(sql, *values)

    return ask
