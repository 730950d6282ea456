"""The store's figures on TimescaleDB Community: bytes a reading when compressed, and how long questions take."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from benchmarks.asking import METERS, QUESTIONS, RUNS, START, STATEMENT_S, YEAR, ask, connected, load, say
from deploy.local.community import CommunityServer, provide_community
from deploy.local.settings import LocalSettings
from store.migrate import migrate
from store.sql import Connection

EVERY = timedelta(seconds=300)
DAYS = 2
DENSE_FROM = timedelta(days=120)
"""Where in the year the days lie that are asked about, 2026-03-01 UTC."""


@dataclass(frozen=True, slots=True)
class CommunityLoad:
    """How much it is given: PGlite is one process of WebAssembly with its database in memory."""

    compressed_series: int = METERS
    """Registers of two days at five minutes, whose bytes are measured."""
    meters: int = METERS
    dense_days: int = 10
    """Days with a reading each five minutes, in a year that has one each `sparse` for the rest."""
    sparse: timedelta = timedelta(hours=6)
    runs: int = RUNS


async def bench_community(wanted: CommunityLoad) -> dict[str, Any]:
    """Both measurements, each in a database of its own, which is migrated once."""
    settings = LocalSettings()
    packages = await asyncio.to_thread(provide_community, settings, say)
    folder = settings.runs / f"bench-community-{time.time_ns()}"
    folder.mkdir(parents=True)
    try:
        first = CommunityServer(packages, folder / "compressed")
        async with _running(first):
            await migrate(first.dsn(), settings={"zone": "Europe/Warsaw"})
            migrated = await first.snapshot()
            async with connected(first.dsn()) as connection:
                compressed = await _compressed(connection, wanted.compressed_series)
        second = CommunityServer(packages, folder / "asked", migrated)
        async with _running(second), connected(second.dsn()) as connection:
            return {**compressed, "asked": await _asked(connection, wanted)}
    finally:
        shutil.rmtree(folder)


async def _compressed(connection: Connection, series: int) -> dict[str, Any]:
    say("compression on TimescaleDB Community (PGlite)")
    await _fill(connection, EVERY, timedelta(), timedelta(days=DAYS), series)
    await connection.execute(load("compress"), timeout=STATEMENT_S)
    row = await connection.fetchrow(load("compressed"))
    assert row is not None  # noqa: S101 - an aggregate has a row
    return {
        "readings": row["readings"],
        "bytes_per_reading_raw": round(row["before"] / row["readings"], 2),
        "bytes_per_reading_compressed": round(row["after"] / row["readings"], 2),
    }


async def _asked(connection: Connection, wanted: CommunityLoad) -> dict[str, Any]:
    say(f"questions to TimescaleDB Community: {wanted.meters} meters, {wanted.dense_days} days of them dense")
    dense_to = DENSE_FROM + timedelta(days=wanted.dense_days)
    await connection.execute(load("names", meters=wanted.meters))
    await _fill(connection, wanted.sparse, timedelta(), DENSE_FROM, wanted.meters)
    await _fill(connection, EVERY, DENSE_FROM, dense_to, wanted.meters)
    await _fill(connection, wanted.sparse, dense_to, YEAR, wanted.meters)
    began_s = time.perf_counter()
    for (name,) in await connection.fetch(load("aggregates")):
        say(f"rolling up {name}")
        await connection.execute(f"CALL refresh_continuous_aggregate('{name}', NULL, NULL)", timeout=STATEMENT_S)
    rolled_s = time.perf_counter() - began_s
    say(f"rolled up in {rolled_s:.0f} s; compressing")
    await connection.execute(load("compress"), timeout=STATEMENT_S)
    await connection.execute("ANALYZE", timeout=STATEMENT_S)
    # so far apart that all of them lie in the dense days
    step = timedelta(days=wanted.dense_days - 1) / wanted.runs
    return {
        "readings": await connection.fetchval("SELECT count(*) FROM reading", timeout=STATEMENT_S),
        "rollup_s": round(rolled_s, 1),
        "queries": {name: await ask(connection, f"ask_{name}", wanted.runs, step) for name in QUESTIONS},
    }


async def _fill(connection: Connection, every: timedelta, since: timedelta, until: timedelta, series: int) -> None:
    """Readings of [since, until) of the year, some 200 000 in a statement."""
    first, end = -(-since // every), -(-until // every)
    width = max(1, 200_000 // series)
    for number in range(first, end, width):
        last = min(number + width, end) - 1
        await connection.execute(load("fill"), START, every, number, last, series, timeout=STATEMENT_S)


@asynccontextmanager
async def _running(server: CommunityServer) -> AsyncIterator[None]:
    await server.start()
    try:
        yield
    finally:
        await server.stop()
