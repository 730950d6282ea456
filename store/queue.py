"""The queue of background jobs, kept by PgQueuer: the one place that knows its names and how a job gets into it."""

from typing import Any, Final

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from pgqueuer.ports.driver import Driver

from store.pool import Pool

REDECODE: Final = "redecode"
"""The entry point of jobs that decode kept frames again; the payload is the number of a row of table job."""
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


async def enqueue_redecode(connection: Any, job_id: int) -> None:
    """Put a job into the queue, in the transaction that the connection is in."""
    await _queries(AsyncpgDriver(connection)).enqueue(REDECODE, str(job_id).encode(), dedupe_key=f"job {job_id}")


def _queries(driver: Driver) -> Queries:
    return Queries(
        driver,
        qbe=QueryBuilderEnvironment(_NAMES),
        qbq=QueryQueueBuilder(_NAMES),
        qbs=QuerySchedulerBuilder(_NAMES),
    )
