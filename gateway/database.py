"""How the gateway's tasks live with a database that goes away: what heals is tried again, the rest is raised."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

import asyncpg

from broker.backoff import Backoff
from broker.errors import PermanentError
from gateway.metrics import Metrics
from store.pool import is_transient

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
T = TypeVar("T")
REFUSES_DATA = ("22", "23", "54")
"""SQLSTATE classes by which PostgreSQL refuses what a message carries: data exception, integrity, limit exceeded."""
NOT_MIGRATED = "42P01"
"""SQLSTATE undefined_table: `wattline migrate` has not run yet."""


async def until_stored(work: Callable[[], Awaitable[T]], task: str, metrics: Metrics) -> T:
    """Do it, and again with backoff for as long as only the database stands in the way.

    Raises asyncpg.PostgresError where it refuses the data (see refuses_data), PermanentError for what cannot heal.
    """
    backoff = Backoff(cap_s=10.0)
    while True:
        try:
            found = await work()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            if isinstance(error, asyncpg.PostgresError) and refuses_data(error):
                raise
            if not heals(error):
                raise PermanentError(f"the database refuses {task}: {error}") from error
            metrics.retries.labels(task).inc()
            fix = "run wattline migrate" if getattr(error, "sqlstate", "") == NOT_MIGRATED else "waiting for it"
            metrics.database.failed("database_unavailable", reason=reason(error), task=task, fix=fix)
        else:
            metrics.database.back("database_back")
            return found
        await asyncio.sleep(backoff.next_s())


def heals(error: BaseException) -> bool:
    """Whether waiting can help."""
    # asyncpg's internal error: a connection that goes as a statement begins
    gone = isinstance(error, asyncpg.InternalClientError)
    return gone or is_transient(error) or getattr(error, "sqlstate", "") == NOT_MIGRATED


def reason(error: BaseException) -> str:
    """What went wrong, for a log line: asyncpg hides a connection's end behind its own state."""
    while isinstance(error, asyncpg.InternalClientError) and error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__


def refuses_data(error: asyncpg.PostgresError) -> bool:
    """Whether the database refuses what it was given, and would refuse it for ever."""
    return (error.sqlstate or "")[:2] in REFUSES_DATA
