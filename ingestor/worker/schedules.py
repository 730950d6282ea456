"""Jobs that are asked for by the clock: whichever worker sees first that one is due asks for it, once."""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from croniter import CroniterBadDateError
from pydantic import ValidationError

from ingestor.worker.metrics import WorkerMetrics
from store.errors import DATABASE_ERRORS, reason
from store.kinds.every import KINDS
from store.pool import Pool
from store.queue import enqueue
from store.rollups import database_now
from store.schedules.cron import filled, next_after
from store.schedules.store import Schedule, due_schedules, note_schedule
from store.sql import Connection

log = structlog.get_logger()
POLL_S: Final = 2.0
PUT_OFF: Final = timedelta(hours=1)
"""How long a schedule waits of which nobody can tell when it is due."""


async def ask_by_the_clock(pool: Pool, metrics: WorkerMetrics) -> None:
    """For ever: ask for what is due. A job and the time of the next one are one transaction."""
    while True:
        try:
            async with pool.acquire() as connection, connection.transaction():
                now = await database_now(connection)
                for one in await due_schedules(connection):
                    try:
                        next_at, filled_in = _told(one, now)
                    except (ValueError, LookupError, OverflowError, CroniterBadDateError) as error:
                        # a zone that this host does not know, say: no reason to keep the others from being due
                        await _put_off(connection, one, now, str(error))
                    else:
                        await _ask(connection, one, next_at, filled_in)
        except DATABASE_ERRORS as error:
            metrics.database.failed("schedules_not_seen_to", reason=reason(error))
        await asyncio.sleep(POLL_S)


def _told(one: Schedule, now: datetime) -> tuple[datetime, dict[str, Any]]:
    """When a schedule is due next, and its arguments. Raises what zones and calendars raise."""
    return next_after(one.cron, one.zone, now), filled(one.arguments, one.next_at, one.zone)


async def _put_off(connection: Connection, one: Schedule, now: datetime, wrong: str) -> None:
    await note_schedule(connection, one.name, now + PUT_OFF, None, wrong[:300])
    log.error("job_schedule_failed", schedule=one.name, kind=one.kind, due=one.next_at.isoformat(), error=wrong)


async def _ask(connection: Connection, one: Schedule, next_at: datetime, filled_in: dict[str, Any]) -> None:
    """All times that have passed are one job, of the first of them."""
    number, wrong = None, ""
    kind = KINDS.get(one.kind)
    if kind is None:
        wrong = f"this version of Wattline knows no kind {one.kind}"
    else:
        try:
            arguments = kind.arguments.model_validate(filled_in)
        except ValidationError as error:
            wrong = f"what it asks for does not fit {one.kind}: {error.errors(include_url=False)[0]['msg']}"
        else:
            key = f"schedule {one.name} {one.next_at.isoformat()}"
            number = await enqueue(
                connection, kind, arguments, author=one.author, reason=one.reason, key=key, schedule=one.name
            )
            wrong = "" if number is not None else f"{kind.most} jobs of {one.kind} wait already"
    await note_schedule(connection, one.name, next_at, number, wrong or None)
    if wrong:
        log.error("job_schedule_failed", schedule=one.name, kind=one.kind, due=one.next_at.isoformat(), error=wrong)
    else:
        log.info("job_scheduled", schedule=one.name, kind=one.kind, job=number, due=one.next_at.isoformat())
