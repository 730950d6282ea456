"""Keeping the roll-ups up to date, and dropping what is no longer kept, on both editions of TimescaleDB."""

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

import asyncpg
import structlog

log = structlog.get_logger()
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


SKIP_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Whole intervals of a continuous aggregate, from low to before high."""

    step: str
    aggregate: str
    low: datetime
    high: datetime


@dataclass(slots=True)
class Refreshed:
    """What a refresh did, by quarter-hours and late hours on Apache and by stretches on Community, and what is left."""

    quarters: int = 0
    late_hours: int = 0
    stretches: int = 0
    left_out: int = 0
    """Meters that were told just now to have readings which no sum can bear."""
    stepped_over: int = 0
    """Intervals that TimescaleDB could not refresh and that were stepped over."""
    behind_s: float = 0.0


async def refresh(connection: Connection, *, now: datetime | None = None, settle_s: float = 10.0) -> Refreshed:
    """Apache: roll up all that is not yet, then what came late; each stretch is a transaction of its own.

    Transactions that may have stored readings without knowing the new mark are waited for; while one stays open
    longer than `settle_s` nothing new is rolled up, and `behind_s` grows. One at a time: the caller holds a lock.
    """
    done, began = Refreshed(), await database_now(connection)
    until = (now or began) - CLOSE_AFTER
    await connection.execute("SELECT rollup_note($1)", until)
    if await settled(connection, settle_s):
        await _catch_up(connection, done)
    await _again(connection, done)
    done.left_out = await _left_out(connection, began)
    done.behind_s = await behind_s(connection)
    return done


async def refresh_aggregates(
    connection: Connection, *, now: datetime | None = None, skipped: "dict[Stretch, datetime] | None" = None
) -> Refreshed:
    """Community: have TimescaleDB refresh what has changed, level by level, as far as what it is made of is kept.

    A refresh has transactions of its own and can't lie in one. One at a time: the caller holds a lock, and no policy
    refreshes beside it, for TimescaleDB refuses one of two that overlap. A stretch that fails over its data is parted
    until the interval to blame is known, which is stepped over and kept in `skipped`, to be tried again after an hour.
    """
    done, began = Refreshed(), await database_now(connection)
    until = (now or began) - CLOSE_AFTER
    skipped = {} if skipped is None else skipped
    for step in STEPS:
        for row in await connection.fetch("SELECT aggregate, low, high FROM rollup_due($1, $2)", step, until):
            stretch = Stretch(step, row["aggregate"], row["low"], row["high"])
            await _refresh(connection, stretch, skipped, done)
            if step == STEPS[0]:
                await connection.execute("SELECT rollup_tell(NULL, NULL, $1, $2)", stretch.low, stretch.high)
    done.left_out = await _left_out(connection, began)
    done.behind_s = await behind_s(connection)
    return done


async def _refresh(connection: Connection, stretch: Stretch, skipped: dict[Stretch, datetime], done: Refreshed) -> None:
    """Refresh a stretch, around the intervals in it that can't be."""
    now = await database_now(connection) if skipped else None
    for one, at in list(skipped.items()):
        if now is not None and now - at > SKIP_FOR:
            del skipped[one]
        elif one.aggregate == stretch.aggregate and one.low < stretch.high and stretch.low < one.high:
            for low, high in ((stretch.low, one.low), (one.high, stretch.high)):
                if low < high:
                    await _refresh(connection, replace(stretch, low=low, high=high), skipped, done)
            return
    window = f"'{stretch.low.isoformat()}'::timestamptz, '{stretch.high.isoformat()}'::timestamptz"
    try:
        # by the simple protocol: what the server prepared could not outlive the transactions
        await connection.execute(
            f"CALL refresh_continuous_aggregate('{stretch.aggregate}', {window})", timeout=REFRESH_S
        )
    except asyncpg.DataError as error:
        middle = await _middle(connection, stretch)
        if middle is None:
            skipped[stretch] = await database_now(connection)
            done.stepped_over += 1
            log.warning("rollup_stepped_over", aggregate=stretch.aggregate, bucket=stretch.low, reason=str(error))
            return
        await _refresh(connection, replace(stretch, high=middle), skipped, done)
        await _refresh(connection, replace(stretch, low=middle), skipped, done)
    else:
        done.stretches += 1


async def _middle(connection: Connection, stretch: Stretch) -> datetime | None:
    """The start of an interval near the middle of a stretch; None of a stretch that is one interval."""
    half = stretch.low + (stretch.high - stretch.low) / 2
    for asked in ("SELECT bucket_start($1, $2)", "SELECT bucket_next($1, $2)"):
        middle: datetime = await connection.fetchval(asked, stretch.step, half)
        if stretch.low < middle < stretch.high:
            return middle
    return None


async def _left_out(connection: Connection, began: datetime) -> int:
    asked = "SELECT count(*) FROM event WHERE event = 'readings_left_out' AND received_at >= $1"
    return int(await connection.fetchval(asked, began))


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
