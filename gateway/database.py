"""How the gateway's tasks live with a database that goes away or refuses: the one policy for all of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import structlog

from broker.backoff import Backoff
from broker.errors import PermanentError
from gateway.metrics import Metrics
from store.errors import DATABASE_ERRORS, NOT_MIGRATED, heals, reason, refuses_data

T = TypeVar("T")
log = structlog.get_logger()


async def until_stored(work: Callable[[], Awaitable[T]], task: str, metrics: Metrics, *, cap_s: float = 10.0) -> T:
    """Do it, and again with backoff for as long as only the database stands in the way.

    Raises asyncpg.PostgresError where it refuses the data (see refuses_data), PermanentError for what cannot heal.
    """
    backoff = Backoff(cap_s=cap_s)
    while True:
        try:
            found = await work()
        except DATABASE_ERRORS as error:
            if refuses_data(error):
                raise
            # a statement that took too long may be faster when the database has less to do
            if not heals(error) and not isinstance(error, asyncpg.QueryCanceledError):
                raise PermanentError(f"the database refuses {task}: {error}") from error
            metrics.retries.labels(task).inc()
            fix = "run wattline migrate" if getattr(error, "sqlstate", "") == NOT_MIGRATED else "waiting for it"
            metrics.database.failed("database_unavailable", reason=reason(error), task=task, fix=fix)
        else:
            metrics.database.back("database_back")
            return found
        await asyncio.sleep(backoff.next_s())


async def one_round(work: Callable[[], Awaitable[T]], task: str, metrics: Metrics, *, cap_s: float = 10.0) -> T | None:
    """A round of what a task does over and over, as until_stored; None where the database refuses its data.

    That is logged and counted: one odd row must stop neither the rounds to come nor the gateway. Raises PermanentError
    for what cannot heal.
    """
    try:
        return await until_stored(work, task, metrics, cap_s=cap_s)
    except asyncpg.PostgresError:
        metrics.rounds_refused.labels(task).inc()
        log.exception("round_refused", task=task)
        return None
