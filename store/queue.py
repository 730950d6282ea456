"""The queue of background jobs, kept by PgQueuer: the one place that knows its names and how a job gets into it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from pgqueuer.ports.driver import Driver
from pydantic import Json

from store.kinds.kind import A, Kind
from store.pool import Pool
from store.sql import Connection, Database, statement

CHANNEL: Final = Channel("ch_pgqueuer")
# all of them named, because PgQueuer would take what is left out from the environment
_NAMES: Final = DBSettings(
    prefix="",
    db_schema=None,
    channel=CHANNEL,
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
    widen_id=True,
)


def queue_of(pool: Pool) -> Queries:
    """The queue, for a worker: one connection of the pool listens, the others serve."""
    return _queries(AsyncpgPoolDriver(pool))


async def enqueue(
    connection: Connection,
    kind: Kind[A],
    arguments: A,
    *,
    author: str,
    reason: str | None = None,
    key: str | None = None,
    priority: int | None = None,
    not_before: datetime | None = None,
    schedule: str | None = None,
) -> int | None:
    """Ask for a job, inside the caller's transaction: it is there exactly if what it is asked for is committed.

    Returns its number; of a `key` that its kind has had already, within the time that rows are kept, the number of that
    job. None where `kind.most` wait or run.
    """
    chosen = kind.priority if priority is None else priority
    number = await add_kind_job(
        connection, kind.name, arguments.model_dump(mode="json"), author, reason, key, chosen, not_before, schedule,
        kind.most,
    )  # fmt: skip
    if number is None:
        return None if key is None else await job_of_key(connection, kind.name, key)
    delay = None if not_before is None else max(timedelta(0), not_before - datetime.now(UTC))
    await hand_out(connection, number, kind.name, priority=chosen, delay=delay)
    return number


async def hand_out(
    connection: Connection, number: int, kind: str, *, priority: int = 0, delay: timedelta | None = None
) -> None:
    """Have the workers take a job whose row is there, after a delay; one that they have already stays as it is."""
    driver: Any = connection  # a pool's proxy is one, too
    await _queries(AsyncpgDriver(driver)).enqueue(
        kind, str(number).encode(), priority, delay, f"job {number}", on_conflict="skip"
    )


@statement
async def add_kind_job(
    connection: Database, kind: str, arguments: Json[Mapping[str, object]], author: str, reason: str | None,
    key: str | None, priority: int, not_before: datetime | None, schedule: str | None, most: int,
) -> int | None:  # fmt: skip
    """Enter a job; None where there is one of its key, or so many of its kind wait or run."""


@statement
async def job_of_key(connection: Database, kind: str, key: str) -> int | None:
    """The job of a kind that has this key."""


def _queries(driver: Driver) -> Queries:
    return Queries(
        driver,
        qbe=QueryBuilderEnvironment(_NAMES),
        qbq=QueryQueueBuilder(_NAMES),
        qbs=QuerySchedulerBuilder(_NAMES),
    )
