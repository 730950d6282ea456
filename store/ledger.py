"""Keeping the summary of the ledger up to date, on both editions of TimescaleDB."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from store.quotas import prune_quotas
from store.rollups import STATEMENT_S, database_now
from store.sql import Connection, slow_statement, statement

CLOSE_AFTER = timedelta(seconds=5)
"""What was received is summed up so long after; what is stored later is noted and added, and as right."""
_STEP = timedelta(hours=4)
"""A stretch at most; one with many deliveries is shorter by itself."""
_POLL_S = 0.05


@dataclass(slots=True)
class Folded:
    """What a fold did: deliveries summed up, and how far the summary lags behind."""

    deliveries: int = 0
    behind_s: float = 0.0


@dataclass(frozen=True, slots=True)
class FoldedStretch:
    """A stretch of time that was summed up: its deliveries, and whether more is left."""

    behind: bool
    deliveries: int


@statement
async def message_writers(connection: Connection) -> list[str]:
    """Transactions that have stored messages, or are about to, and have not ended."""


@statement
async def ledger_note(connection: Connection, until: datetime) -> None:
    """Have deliveries received before this time noted as late from now on."""


@slow_statement(STATEMENT_S)
async def ledger_fold(connection: Connection, step: timedelta) -> FoldedStretch | None:
    """Sum up the next stretch of time, and what came late."""


@statement
async def ledger_folded_until(connection: Connection) -> datetime | None:
    """Up to when all is summed up; None before the first time."""


@slow_statement(STATEMENT_S)
async def ledger_prune(connection: Connection) -> None:
    """Forget what is older than the ledger is kept."""


@slow_statement(STATEMENT_S)
async def delivery_claim_prune(connection: Connection) -> None:
    """Forget claims that are older than frames and events are kept."""


async def fold(connection: Connection, *, now: datetime | None = None, settle_s: float = 10.0) -> Folded:
    """Sum up what has come since the last time, and what came late; each stretch of time is a transaction of its own.

    Transactions that may have stored messages without knowing the new mark are waited for, and no others: a refresh of
    roll-ups may take an hour. While one stays open longer than `settle_s` nothing is summed up, and `behind_s` grows.
    One at a time: the caller holds the lease.
    """
    done = Folded()
    until = (now or await database_now(connection)) - CLOSE_AFTER
    await ledger_note(connection, until)
    if await _stored(connection, settle_s):
        while True:
            began_s = time.monotonic()
            stretch = await ledger_fold(connection, _STEP)
            if stretch is None:
                break
            done.deliveries += stretch.deliveries
            if not stretch.behind:
                break
            # half of the time is left to what is stored meanwhile
            await asyncio.sleep(time.monotonic() - began_s)
    folded = await ledger_folded_until(connection)
    done.behind_s = 0.0 if folded is None else max(0.0, (until - folded).total_seconds())
    return done


async def _stored(connection: Connection, settle_s: float) -> bool:
    """Wait until all transactions that were storing messages have ended; who begins to store now knows the mark."""
    storing = set(await message_writers(connection))
    deadline_s = time.monotonic() + settle_s
    while storing:
        if time.monotonic() > deadline_s:
            return False
        await asyncio.sleep(_POLL_S)
        storing &= set(await message_writers(connection))
    return True


async def prune(connection: Connection) -> None:
    """Forget what is older than the ledger is kept, claims of what is older than frames and events are, and quotas."""
    await ledger_prune(connection)
    await delivery_claim_prune(connection)
    await prune_quotas(connection)
