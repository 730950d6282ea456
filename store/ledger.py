"""Keeping the summary of the ledger up to date, on both editions of TimescaleDB."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from store.queries import load
from store.rollups import STATEMENT_S, Connection, database_now

CLOSE_AFTER = timedelta(seconds=5)
"""What was received is summed up so long after; what is stored later is noted and added, and as right."""
_LEAST, _MOST = timedelta(minutes=15), timedelta(hours=4)
_POLL_S = 0.05
_FEW = 50_000
"""Deliveries of a stretch after which the next one is made longer; more make it short again."""


@dataclass(slots=True)
class Folded:
    """What a fold did: deliveries summed up, and how far the summary lags behind."""

    deliveries: int = 0
    behind_s: float = 0.0


async def fold(connection: Connection, *, now: datetime | None = None, settle_s: float = 10.0) -> Folded:
    """Sum up what has come since the last time, and what came late; each stretch of time is a transaction of its own.

    Transactions that may have stored messages without knowing the new mark are waited for, and no others: a refresh of
    roll-ups may take an hour. While one stays open longer than `settle_s` nothing is summed up, and `behind_s` grows.
    One at a time: the caller holds the lease.
    """
    done = Folded()
    until = (now or await database_now(connection)) - CLOSE_AFTER
    await connection.execute("SELECT ledger_note($1)", until)
    if await _stored(connection, settle_s):
        step = _LEAST
        while True:
            row = await connection.fetchrow("SELECT behind, deliveries FROM ledger_fold($1)", step, timeout=STATEMENT_S)
            if row is None:
                break
            done.deliveries += row["deliveries"]
            if not row["behind"]:
                break
            step = min(2 * step, _MOST) if row["deliveries"] < _FEW else _LEAST
    folded = await connection.fetchval("SELECT nullif(folded_until, '-infinity') FROM ledger_state")
    done.behind_s = 0.0 if folded is None else max(0.0, (until - folded).total_seconds())
    return done


async def _stored(connection: Connection, settle_s: float) -> bool:
    """Wait until all transactions that were storing messages have ended; who begins to store now knows the mark."""
    storing = set(await connection.fetchval(load("message_writers")))
    deadline_s = time.monotonic() + settle_s
    while storing:
        if time.monotonic() > deadline_s:
            return False
        await asyncio.sleep(_POLL_S)
        storing &= set(await connection.fetchval(load("message_writers")))
    return True


async def prune(connection: Connection) -> None:
    """Forget what is older than the ledger is kept, and claims of what is older than frames and events are."""
    await connection.execute("SELECT ledger_prune()", timeout=STATEMENT_S)
    await connection.execute("SELECT delivery_claim_prune()", timeout=STATEMENT_S)
