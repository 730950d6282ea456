"""What the benchmarks of both editions' stores share: the fleet, its statements, and how a question is timed."""

import contextlib
import statistics
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import click

from store.sql import Connection

METERS = 1000
START = datetime(2025, 11, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
RUNS = 20
STEP = timedelta(days=5)
QUESTIONS = ("meter_day", "fleet_hour", "year_by_month")
STATEMENT_S = 3600.0
_SQL = Path(__file__).with_name("store_queries")


def say(line: str) -> None:
    """Progress goes to stderr, so that stdout is the report alone."""
    click.echo(f"· {line}", err=True)


def load(name: str, **values: object) -> str:
    """A statement of this benchmark, with these values for its :names."""
    text = (_SQL / f"{name}.sql").read_text()
    for key, value in values.items():
        text = text.replace(f":{key}", str(value))
    return text


async def ask(connection: Connection, name: str, runs: int, step: timedelta = STEP) -> dict[str, float]:
    """Milliseconds of a query as somebody who asks sees them, planning included; a `step` later at each run."""
    times_ms = []
    for run in range(runs):
        # as text: nothing is prepared or kept from the run before; each asks for another time or meter
        sql = load(name, run=run, later=f"interval '{step.total_seconds() * run} seconds'")
        began_s = time.perf_counter()
        await connection.execute(sql, timeout=STATEMENT_S)
        times_ms.append((time.perf_counter() - began_s) * 1000)
    say(f"{name}: {statistics.median(times_ms):.1f} ms")
    return {
        "p50_ms": round(statistics.median(times_ms), 2),
        "p95_ms": round(sorted(times_ms)[max(0, round(0.95 * runs) - 1)], 2),
    }


@contextlib.asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Connection]:
    """A connection of one's own."""
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        yield connection
    finally:
        await connection.close(timeout=10)
