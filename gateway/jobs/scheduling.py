"""Schedules of jobs as people make them: checked as the jobs themselves are, with what is due next."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from broker.errors import ContractError
from broker.zones import known_zone
from gateway.events import record_event
from gateway.faults import Fault, Kind, Refusal, conflict, invalid
from gateway.jobs.asking import arguments_of
from gateway.jobs.checks import check_wants
from store.schedules.cron import check_cron, filled, next_after
from store.schedules.store import Schedule, drop_schedule, find_schedule, list_schedules, put_schedule
from store.sql import Connection, Database

MOST: Final = 200
"""Schedules: each may be due every minute, and a time that gives no job is an event."""


async def save(
    connection: Connection,
    name: str,
    kind: str,
    arguments: Mapping[str, Any],
    *,
    cron: str,
    zone: str,
    enabled: bool,
    author: str,
    reason: str | None,
) -> Schedule:
    """Make or change a schedule, in the caller's transaction. Raises Refusal: invalid, that names the field."""
    try:
        known_zone(zone)
    except ValueError as error:
        raise invalid("zone", f"{zone[:80]!r} is no time zone", "write one as Europe/Warsaw, or UTC") from error
    try:
        expression = check_cron(cron)
    except ContractError as error:
        raise invalid(error.field, error.reason, error.fix) from error
    there = await list_schedules(connection)
    if len(there) >= MOST and all(one.name != name for one in there):
        raise conflict(f"there are {MOST} schedules already: remove one")
    now = datetime.now(UTC)
    due = next_after(expression, zone, now)
    _, asked = arguments_of(kind, filled(arguments, due, zone))
    await check_wants(connection, asked)
    new = await put_schedule(connection, name, kind, arguments, expression, zone, enabled, author, reason, due)
    detail = {"schedule": name, "kind": kind, "cron": expression, "zone": zone, "enabled": enabled}
    event = "job_schedule_made" if new else "job_schedule_changed"
    await record_event(connection, event, detail={**detail, "author": author, "reason": reason})
    return await found(connection, name)


async def found(database: Database, name: str) -> Schedule:
    """A schedule. Raises Refusal: unknown."""
    schedule = await find_schedule(database, name)
    if schedule is None:
        said = f"there is no schedule {name[:60]!r}"
        raise Refusal(Kind.UNKNOWN, said, [Fault("schedule", said, "GET /api/v1/job-schedules lists what there is")])
    return schedule


async def remove(connection: Connection, name: str, *, author: str, reason: str | None) -> Schedule:
    """Remove a schedule; its jobs stay. Returns what it was. Raises Refusal: unknown."""
    schedule = await found(connection, name)
    await drop_schedule(connection, name)
    detail = {"schedule": name, "kind": schedule.kind, "author": author, "reason": reason}
    await record_event(connection, "job_schedule_removed", detail=detail)
    return schedule
