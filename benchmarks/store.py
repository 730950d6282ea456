"""`make bench STORE=1`: bytes a reading, and how long the store's questions take, beside a plain table."""

import asyncio
import contextlib
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from benchmarks.asking import METERS, QUESTIONS, RUNS, START, STATEMENT_S, YEAR, ask, connected, load, say
from benchmarks.store_community import CommunityLoad, bench_community
from broker.errors import PermanentError, WattlineError
from broker.runtime.service import configure_logging
from deploy.local.stack import LocalStack
from store.migrate import migrate
from store.rollups import Refreshed, refresh
from store.sql import Connection

READINGS = 100_000_000
BYTES_A_READING = 300
"""Readings, roll-ups and the plain table with their indexes, and the write-ahead log beside them."""
WRITERS = 2
PLAIN_RUNS = 3
"""A query of the plain table may take a minute."""
PROGRESS_S = 20.0
NO_COMPRESSION = "the Apache edition has none; `community` measures it on TimescaleDB Community (PGlite)"


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


async def bench(readings: int, community: CommunityLoad | None = None) -> dict[str, Any]:
    """The whole report, from a stack of its own with fsync on."""
    every = YEAR / (readings // METERS)
    async with LocalStack.start(progress=say) as stack, connected(stack.postgres.dsn()) as connection:
        require_space(stack.folder, readings * BYTES_A_READING)
        await migrate(stack.postgres.dsn(), settings={"zone": "Europe/Warsaw"})
        await connection.execute(load("names", meters=METERS), timeout=STATEMENT_S)
        say(f"{METERS} meters, a reading each {every.total_seconds():.0f} s over a year")
        load_s = await _fill(stack, every)
        rolled, rollup_s = await _roll_up(stack, connection)
        say(f"rolled up in {rollup_s:.0f} s; the same readings in a plain table with the same index")
        await connection.execute(load("plain"), timeout=STATEMENT_S)
        say("vacuum and statistics")
        await connection.execute("VACUUM ANALYZE", timeout=STATEMENT_S)
        sizes = dict(await connection.fetchrow(load("sizes"), timeout=STATEMENT_S) or {})
        queries = {name: await ask(connection, f"ask_{name}", RUNS) for name in QUESTIONS}
        plain = {name: await ask(connection, f"plain_{name}", PLAIN_RUNS) for name in QUESTIONS}
        versions = await stack.versions()
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
        "queries": queries,
        "queries_plain_table": plain,
        "load_rows_s": round(count / load_s),
        "rollup_s": round(rollup_s, 1),
        "rollup_readings_s": round(count / rollup_s),
        "rolled_quarters": rolled.quarters,
        "machine": versions,
        "community": await bench_community(community or CommunityLoad()),
    }


def require_space(folder: Path, wanted: int) -> None:
    """Raises PermanentError where the disk is too small for what is to be written."""
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise PermanentError(
            f"{folder} has {free / 1e9:.0f} GB free, and {wanted / 1e9:.0f} GB are needed: "
            "set WATTLINE_LOCAL_RUNS to a folder on a larger disk, or ask for fewer readings"
        )


async def _fill(stack: LocalStack, every: timedelta) -> float:
    """Write the year by days with some connections side by side; returns the seconds that took."""
    days: asyncio.Queue[int] = asyncio.Queue()
    for day in range(YEAR.days):
        days.put_nowait(day)
    began_s = time.perf_counter()

    async def write() -> None:
        async with connected(stack.postgres.dsn()) as connection:
            while not days.empty():
                day = days.get_nowait()
                # all times are multiples of `every` since the start, wherever a day begins
                first = -(-timedelta(days=day) // every)
                last = -(-timedelta(days=day + 1) // every) - 1
                if last >= first:
                    await connection.execute(load("fill"), START, every, first, last, METERS, timeout=STATEMENT_S)

    async with _progress(lambda: _say_filled(days.qsize())), asyncio.TaskGroup() as group:
        for number in range(WRITERS):
            group.create_task(write(), name=f"bench.fill.{number}")
    return time.perf_counter() - began_s


async def _say_filled(left: int) -> None:
    say(f"{YEAR.days - left} of {YEAR.days} days written")


async def _roll_up(stack: LocalStack, connection: Connection) -> tuple[Refreshed, float]:
    async with connected(stack.postgres.dsn()) as asked:

        async def tell() -> None:
            shown = await asked.fetchval("SELECT shown_until::text FROM rollup_state")
            say(f"rolled up until {shown}")

        async with _progress(tell):
            began_s = time.perf_counter()
            return await refresh(connection), time.perf_counter() - began_s


@contextlib.asynccontextmanager
async def _progress(tell: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Tell from time to time while the body runs."""

    async def keep_telling() -> None:
        while True:
            await asyncio.sleep(PROGRESS_S)
            await tell()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(keep_telling(), name="bench.progress")
        yield
        task.cancel()


if __name__ == "__main__":
    main()
