"""`make bench STORE=1`: bytes a reading, and how long the store's questions take, beside a plain table."""

import asyncio
import contextlib
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import click

from broker.errors import WattlineError
from broker.service import configure_logging
from deploy.local.community import CommunityServer, provide_community
from deploy.local.settings import LocalSettings
from deploy.local.stack import LocalStack
from store.migrate import migrate
from store.rollups import refresh

METERS = 1000
READINGS = 100_000_000
START = datetime(2025, 11, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
WRITERS = 2
RUNS = 20
PLAIN_RUNS = 3
"""A query of the plain table may take a minute."""
COMPRESSED_SERIES, COMPRESSED_DAYS, COMPRESSED_EVERY_S = 1000, 2, 300
NO_COMPRESSION = (
    "the Apache edition has none; `community` measures it on a small scale with TimescaleDB Community (PGlite)"
)
_STATEMENT_S = 3600.0
_SQL = Path(__file__).with_name("store_queries")


def say(line: str) -> None:
    """Progress goes to stderr, so that stdout is the report alone."""
    click.echo(f"· {line}", err=True)


def load(name: str) -> str:
    """A statement of this benchmark."""
    return (_SQL / f"{name}.sql").read_text()


@click.command()
@click.option("--report", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="JSON report to write.")
@click.option(
    "--readings", type=click.IntRange(METERS * 2), default=READINGS, show_default=True, help="About how many."
)
def main(report: Path | None, readings: int) -> None:
    """Fill a year of 1 000 meters, roll it up, and ask."""
    configure_logging("warning")
    try:
        result = asyncio.run(bench(readings))
    except WattlineError as error:
        sys.exit(f"wattline bench: {error}")
    text = json.dumps(result, indent=2)
    click.echo(text)
    if report is not None:
        report.write_text(text + "\n")


async def bench(readings: int, compressed_series: int = COMPRESSED_SERIES) -> dict[str, Any]:
    """The whole report, from a stack of its own with fsync on."""
    every = YEAR / (readings // METERS)
    async with LocalStack.start(progress=say) as stack, _connected(stack.postgres.dsn()) as connection:
        await migrate(stack.postgres.dsn(), settings={"zone": "Europe/Warsaw"})
        await connection.execute(load("names"), timeout=_STATEMENT_S)
        say(f"{METERS} meters, a reading each {every.total_seconds():.0f} s over a year")
        load_s = await _fill(stack, every)
        began_s = time.perf_counter()
        rolled = await refresh(connection)
        rollup_s = time.perf_counter() - began_s
        say("the same readings in a plain table with the same index")
        await connection.execute(load("plain"), timeout=_STATEMENT_S)
        await connection.execute("VACUUM ANALYZE", timeout=_STATEMENT_S)
        sizes = dict(await connection.fetchrow(load("sizes"), timeout=_STATEMENT_S) or {})
        queries = {name: await _time(connection, f"ask_{name}", RUNS) for name in _questions()}
        plain = {name: await _time(connection, f"plain_{name}", PLAIN_RUNS) for name in _questions()}
        versions = await stack.versions()
    community = await _compression(compressed_series)
    count = sizes["readings"]
    return {
        "readings": count,
        "meters": METERS,
        "edition": versions["timescaledb_edition"],
        "bytes_per_reading_raw": round(sizes["bytes"] / count, 2),
        "bytes_per_reading_plain": round(sizes["plain_bytes"] / count, 2),
        "bytes_per_reading_rollups": round(sizes["rollup_bytes"] / count, 2),
        "bytes_per_reading_compressed": None,
        "bytes_per_reading_compressed_why": NO_COMPRESSION,
        "community": community,
        "queries": queries,
        "queries_plain_table": plain,
        "load_rows_s": round(count / load_s),
        "rollup_s": round(rollup_s, 1),
        "rolled_quarters": rolled.quarters,
        "machine": versions,
    }


def _questions() -> list[str]:
    return ["meter_day", "fleet_hour", "year_by_month"]


async def _fill(stack: LocalStack, every: timedelta) -> float:
    """Write the year by days with some connections side by side; returns the seconds that took."""
    days: asyncio.Queue[int] = asyncio.Queue()
    for day in range(YEAR.days):
        days.put_nowait(day)
    began_s = time.perf_counter()

    async def write() -> None:
        async with _connected(stack.postgres.dsn()) as connection:
            while not days.empty():
                day = days.get_nowait()
                # all times are multiples of `every` since the start, wherever a day begins
                first = -(-timedelta(days=day) // every)
                last = -(-timedelta(days=day + 1) // every) - 1
                if last >= first:
                    await connection.execute(load("fill"), START, every, first, last, METERS, timeout=_STATEMENT_S)

    async with asyncio.TaskGroup() as group:
        for number in range(WRITERS):
            group.create_task(write(), name=f"bench.fill.{number}")
    return time.perf_counter() - began_s


async def _time(connection: asyncpg.Connection, name: str, runs: int) -> dict[str, float]:
    """Milliseconds of a query as somebody who asks sees them, planning included."""
    sql, times_ms = load(name), []
    for run in range(runs):
        began_s = time.perf_counter()
        # as text: nothing is prepared or kept from the run before; each asks for another time or meter
        await connection.execute(sql.replace(":run", str(run)), timeout=_STATEMENT_S)
        times_ms.append((time.perf_counter() - began_s) * 1000)
    say(f"{name}: {statistics.median(times_ms):.1f} ms")
    return {
        "p50_ms": round(statistics.median(times_ms), 2),
        "p95_ms": round(sorted(times_ms)[max(0, round(0.95 * runs) - 1)], 2),
    }


async def _compression(series: int) -> dict[str, Any]:
    """Bytes a reading before and after compression, of two days of registers on TimescaleDB Community."""
    say("compression on TimescaleDB Community (PGlite)")
    settings = LocalSettings()
    packages = await asyncio.to_thread(provide_community, settings, say)
    folder = settings.runs / f"bench-community-{time.time_ns()}"
    folder.mkdir(parents=True)
    server = CommunityServer(packages, folder / "community")
    await server.start()
    try:
        await migrate(server.dsn())
        async with _connected(server.dsn()) as connection:
            every = timedelta(seconds=COMPRESSED_EVERY_S)
            most = timedelta(days=COMPRESSED_DAYS) // every - 1
            await connection.execute(load("fill"), START, every, 0, most, series, timeout=_STATEMENT_S)
            await connection.execute(load("compress"), timeout=_STATEMENT_S)
            row = await connection.fetchrow(load("compressed"))
            assert row is not None  # noqa: S101 - an aggregate has a row
            return {
                "readings": row["readings"],
                "bytes_per_reading_raw": round(row["before"] / row["readings"], 2),
                "bytes_per_reading_compressed": round(row["after"] / row["readings"], 2),
            }
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        yield connection
    finally:
        await connection.close(timeout=10)


if __name__ == "__main__":
    main()
