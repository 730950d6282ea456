"""Keeping the roll-ups up to date, and dropping what is no longer kept, on both editions of TimescaleDB."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg
import structlog

from store.sql import Connection, slow_statement, statement

log = structlog.get_logger()
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


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """A stretch of time that was rolled up: its quarter-hours, and how much time is left."""

    behind: timedelta
    written: int


class Dropped(NamedTuple):
    """How many chunks of a table were dropped."""

    name: str
    dropped: int


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


@statement
async def database_now(connection: Connection) -> datetime:
    """The time by the clock that dates what is received; a mark that a host's wrong one sets would stay for ever."""


@statement
async def rollup_note(connection: Connection, until: datetime) -> None:
    """Have readings before this time noted as late from now on."""


@slow_statement(STATEMENT_S)
async def rollup_step(connection: Connection, step: timedelta) -> CaughtUp | None:
    """Roll up the next stretch of time."""


@slow_statement(STATEMENT_S)
async def rollup_again(connection: Connection, most: int) -> int | None:
    """Roll up again at most so many hours of series to which something came late; how many."""


@slow_statement(STATEMENT_S)
async def rollup_anew(connection: Connection, series: Sequence[int], since: datetime, until: datetime) -> int:
    """Make whole days of some series anew, after readings were changed by hand; how many quarter-hours they have."""


@statement
async def rollup_due(connection: Connection, step: str, until: datetime) -> list[Stretch]:
    """The stretches of time in which the continuous aggregates of a step are to be refreshed."""


@statement
async def rollup_tell(connection: Connection, since: datetime, until: datetime) -> None:
    """Enter an event for each meter with readings between these times that no roll-up can bear."""


@statement
async def count_left_out(connection: Connection, since: datetime) -> int:
    """How many meters were told since then to have readings that no roll-up can bear."""


@statement
async def rollup_behind(connection: Connection) -> timedelta:
    """How far the roll-ups lag behind, beyond a quarter-hour."""


@statement
async def bucket_start(connection: Connection, step: str, at: datetime) -> datetime:
    """The start of the interval that a time lies in."""


@statement
async def bucket_next(connection: Connection, step: str, at: datetime) -> datetime:
    """The start of the first interval that does not begin before a time."""


@statement
async def next_transaction(connection: Connection) -> int:
    """The number that the next transaction will have."""


@statement
async def have_ended(connection: Connection, before: int) -> bool:
    """Whether all transactions before this number have ended."""


@slow_statement(STATEMENT_S)
async def store_retain(connection: Connection) -> list[Dropped]:
    """Drop the chunks that the settings no longer keep."""


async def refresh(connection: Connection, *, now: datetime | None = None, settle_s: float = 10.0) -> Refreshed:
    """Apache: roll up all that is not yet, then what came late; each stretch is a transaction of its own.

    Transactions that may have stored readings without knowing the new mark are waited for; while one stays open
    longer than `settle_s` nothing new is rolled up, and `behind_s` grows. One at a time: the caller holds the lease.
    """
    done, began = Refreshed(), await database_now(connection)
    until = (now or began) - CLOSE_AFTER
    await rollup_note(connection, until)
    if await settled(connection, settle_s):
        await _catch_up(connection, done)
    await _again(connection, done)
    done.left_out = await count_left_out(connection, began)
    done.behind_s = (await rollup_behind(connection)).total_seconds()
    return done


async def refresh_aggregates(
    connection: Connection, *, now: datetime | None = None, skipped: "dict[Stretch, datetime] | None" = None
) -> Refreshed:
    """Community: have TimescaleDB refresh what has changed, level by level, as far as what it is made of is kept.

    A refresh has transactions of its own and can't lie in one. One at a time: the caller holds the lease, and no policy
    refreshes beside it, for TimescaleDB refuses one of two that overlap. A stretch that fails over its data is parted
    until the interval to blame is known, which is stepped over and kept in `skipped`, to be tried again after an hour.
    """
    done, began = Refreshed(), await database_now(connection)
    until = (now or began) - CLOSE_AFTER
    skipped = {} if skipped is None else skipped
    for step in STEPS:
        for stretch in await rollup_due(connection, step, until):
            await _refresh(connection, stretch, skipped, done)
            if step == STEPS[0]:
                await rollup_tell(connection, stretch.low, stretch.high)
    done.left_out = await count_left_out(connection, began)
    done.behind_s = (await rollup_behind(connection)).total_seconds()
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
    for interval in (bucket_start, bucket_next):
        middle = await interval(connection, stretch.step, half)
        if stretch.low < middle < stretch.high:
            return middle
    return None


async def _again(connection: Connection, done: Refreshed) -> None:
    """Roll up again what came late; in ever smaller parts where a server can't lock the chunks of many days at once."""
    most = LATE_HOURS
    while True:
        try:
            count = await rollup_again(connection, most)
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
    following = await next_transaction(connection)
    deadline_s = time.monotonic() + settle_s
    while not await have_ended(connection, following):
        if time.monotonic() > deadline_s:
            return False
        await asyncio.sleep(_POLL_S)
    return True


async def _catch_up(connection: Connection, done: Refreshed) -> None:
    """Step by step, in steps as wide as take about a second and fit the memory that one may sort and group in."""
    width = 0
    while True:
        started_s = time.monotonic()
        stretch = await rollup_step(connection, _STEPS[width])
        if stretch is None:
            return
        done.quarters += stretch.written
        if not stretch.behind:
            return
        took_s = time.monotonic() - started_s
        if took_s < _QUICK_S:
            width = min(width + 1, len(_STEPS) - 1)
        elif took_s > _SLOW_S:
            width = max(width - 1, 0)


async def retain(connection: Connection) -> dict[str, int]:
    """Drop the chunks that the settings no longer keep; returns how many, by table."""
    return dict(await store_retain(connection))
