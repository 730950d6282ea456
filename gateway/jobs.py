"""Jobs in the store as the gateway sees them: queued for meters with kept frames, cancelled, cleared away."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from gateway.database import Connection
from gateway.events import record_event
from gateway.sql import load
from store.queue import enqueue_redecode

log = structlog.get_logger()
MAX_UNFINISHED: Final = 1000
"""Jobs that wait or run; beyond it a request is refused, and what was to be queued by itself is queued later."""
KEPT: Final = timedelta(days=90)
SYSTEM: Final = "system"
GOT_IT: Final = "its meters got the spec"
CAME_LATE: Final = "frames came in after the spec"


async def queue_job(
    connection: Connection,
    spec: str,
    meter_ids: Sequence[int],
    *,
    since: datetime | None = None,
    automatic: bool = False,
    author: str = SYSTEM,
    reason: str | None = None,
) -> tuple[int, bool] | None:
    """Queue the kept frames of some meters to be decoded by a spec, inside the caller's transaction.

    Returns the job, and whether it is new: one that nobody has taken yet is joined where it fits. None where
    MAX_UNFINISHED jobs are there already.
    """
    joined = await connection.fetchval(load("same_job"), spec, since, list(meter_ids))
    if joined is None and automatic:
        joined = await connection.fetchval(load("join_job"), spec)
        if joined is not None:
            await connection.execute(load("add_job_meters"), joined, list(meter_ids))
    if joined is not None:
        return int(joined), False
    job_id = await connection.fetchval(load("add_job"), spec, since, automatic, author, reason, MAX_UNFINISHED)
    if job_id is None:
        log.warning("job_not_queued", spec=spec, meters=len(meter_ids), most=MAX_UNFINISHED)
        return None
    await connection.execute(load("add_job_meters"), job_id, list(meter_ids))
    await enqueue_redecode(connection, job_id)
    detail = {"job": job_id, "spec": spec, "meters": len(meter_ids), "author": author, "reason": reason}
    await record_event(connection, "redecoding_queued", detail=detail)
    log.info("job_queued", **detail)
    return int(job_id), True


async def assigned_specs(connection: Connection, keys: Iterable[str]) -> dict[str, str | None]:
    """The spec that each meter in place is read by."""
    rows = await connection.fetch(load("assigned_specs"), list(keys))
    return {row["key"]: row["spec"] for row in rows}


async def queue_for(connection: Connection, specs: Mapping[str, str], reason: str = GOT_IT) -> None:
    """Queue meters (by key) that got these specs, as far as frames of them are kept that the spec has not seen."""
    if specs:
        rows = await connection.fetch(load("undecoded_meters"), list(specs), list(specs.values()))
        await _queue_by_spec(connection, ((row["id"], row["spec"]) for row in rows), reason)


async def queue_late(connection: Connection, since: datetime) -> None:
    """Queue meters whose unread frames came in, since then, after the job of their spec."""
    rows = await connection.fetch(load("late_frames"), since)
    await _queue_by_spec(connection, ((row["id"], row["spec"]) for row in rows), CAME_LATE)


async def queue_orphaned(connection: Connection) -> int:
    """Give unfinished jobs that the queue has lost back to it; returns how many."""
    rows = await connection.fetch(load("orphaned_jobs"))
    for row in rows:
        log.warning("job_queued_again", job=row["id"])
        await enqueue_redecode(connection, row["id"])
    return len(rows)


async def _queue_by_spec(connection: Connection, meters: Iterable[tuple[int, str]], reason: str) -> None:
    by_spec: dict[str, list[int]] = defaultdict(list)
    for meter_id, spec in meters:
        by_spec[spec].append(meter_id)
    for spec, meter_ids in by_spec.items():
        queued = await queue_job(connection, spec, meter_ids, automatic=True, reason=reason)
        if queued is None:
            detail = {"spec": spec, "meters": len(meter_ids), "most": MAX_UNFINISHED}
            await record_event(connection, "redecoding_not_queued", severity="warning", detail=detail)
