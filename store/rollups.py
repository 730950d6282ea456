"""Keeping the roll-ups up to date, and dropping what is no longer kept, on both editions of TimescaleDB."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
CLOSE_AFTER = timedelta(seconds=20)
"""A quarter-hour is rolled up so long after its end; what comes later is rolled up again, and as right."""
LATE_HOURS = 5_000
"""Late hours of series in one transaction."""
_STEPS = (timedelta(hours=1), timedelta(hours=6), timedelta(days=1), timedelta(days=4), timedelta(days=16))
_QUICK_S = 0.5
_SLOW_S = 5.0
_POLL_S = 0.05
STATEMENT_S = 600.0
REFRESH_S = 3600.0
STEPS = ("15m", "1h", "1d", "1mo")
"""Each is made of one before it."""


@dataclass(slots=True)
class Refreshed:
    """What a refresh did, by quarter-hours and late hours on Apache and by stretches on Community, and what is left."""

    quarters: int = 0
    late_hours: int = 0
    stretches: int = 0
    behind_s: float = 0.0


async def refresh(connection: Connection, *, now: datetime | None = None, settle_s: float = 10.0) -> Refreshed:
    """Apache: roll up all that is not yet, then what came late; each stretch is a transaction of its own.

    Transactions that may have stored readings without knowing the new mark are waited for; while one stays open
    longer than `settle_s` nothing new is rolled up, and `behind_s` grows. One at a time: the caller holds a lock.
    """
    done = Refreshed()
    until = (now or await database_now(connection)) - CLOSE_AFTER
    await connection.execute("SELECT rollup_note($1)", until)
    if await settled(connection, settle_s):
        await _catch_up(connection, done)
    await _again(connection, done)
    done.behind_s = await behind_s(connection)
    return done


async def refresh_aggregates(connection: Connection, *, now: datetime | None = None) -> Refreshed:
    """Community: have TimescaleDB refresh what has changed, level by level, as far as what it is made of is kept.

    A refresh has transactions of its own and can't lie in one. One at a time: the caller holds a lock, and no policy
    refreshes beside it, for TimescaleDB refuses one of two that overlap.
    """
    done = Refreshed()
    until = (now or await database_now(connection)) - CLOSE_AFTER
    for step in STEPS:
        for row in await connection.fetch("SELECT aggregate, low, high FROM rollup_due($1, $2)", step, until):
            window = f"'{row['low'].isoformat()}'::timestamptz, '{row['high'].isoformat()}'::timestamptz"
            # by the simple protocol: what the server prepared could not outlive the transactions
            await connection.execute(
                f"CALL refresh_continuous_aggregate('{row['aggregate']}', {window})", timeout=REFRESH_S
            )
            done.stretches += 1
    done.behind_s = await behind_s(connection)
    return done


async def database_now(connection: Connection) -> datetime:
    """The time by the clock that dates what is received; a mark that a host's wrong one sets would stay for ever."""
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return now


async def behind_s(connection: Connection) -> float:
    """How far the roll-ups lag behind, beyond a quarter-hour, in seconds."""
    behind: timedelta = await connection.fetchval("SELECT rollup_behind()")
    return behind.total_seconds()


async def _again(connection: Connection, done: Refreshed) -> None:
    """Roll up again what came late; in ever smaller parts where a server can't lock the chunks of many days at once."""
    most = LATE_HOURS
    while True:
        try:
            count = await connection.fetchval("SELECT rollup_again($1)", most, timeout=STATEMENT_S)
        except asyncpg.OutOfMemoryError:
            if most == 1:
                raise
            most = max(1, most // 10)
            continue
        if not count:
            return
        done.late_hours += count


async def settled(connection: Connection, settle_s: float) -> bool:
    """Wait until every transaction that began before now has ended."""
    began = await connection.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
    deadline_s = time.monotonic() + settle_s
    while not await connection.fetchval("SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::text::xid8", began):
        if time.monotonic() > deadline_s:
            return False
        await asyncio.sleep(_POLL_S)
    return True


async def _catch_up(connection: Connection, done: Refreshed) -> None:
    """Step by step, in steps as wide as take about a second and fit the memory that one may sort and group in."""
    width = 0
    while True:
        started_s = time.monotonic()
        row = await connection.fetchrow(
            "SELECT behind, written FROM rollup_step($1)", _STEPS[width], timeout=STATEMENT_S
        )
        if row is None:
            return
        done.quarters += row["written"]
        if not row["behind"]:
            return
        took_s = time.monotonic() - started_s
        if took_s < _QUICK_S:
            width = min(width + 1, len(_STEPS) - 1)
        elif took_s > _SLOW_S:
            width = max(width - 1, 0)


async def retain(connection: Connection) -> dict[str, int]:
    """Drop the chunks that the settings no longer keep; returns how many, by table."""
    rows = await connection.fetch("SELECT name, dropped FROM store_retain()", timeout=STATEMENT_S)
    return {row["name"]: row["dropped"] for row in rows}
