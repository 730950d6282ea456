"""Jobs as the gateway queues them: for meters with kept frames, each in its caller's transaction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog

from gateway.events import record_event
from gateway.jobs.store import (
    MeterSpec,
    add_job,
    add_job_meters,
    add_retry,
    assigned_spec_rows,
    forget_jobs,
    join_job,
    late_frames,
    orphaned_jobs,
    same_job,
    same_retry,
    undecoded_meters,
)  # fmt: skip
from gateway.principals import SYSTEM
from store.files import drop_expired_files
from store.kinds.every import KINDS
from store.kinds.frames import REDECODE, RETRY
from store.kinds.kind import KEPT
from store.queue import hand_out
from store.sql import Connection

log = structlog.get_logger()
MAX_UNFINISHED: Final = 1000
"""Jobs of a kind that wait or run; beyond it a request is refused, and what was to be queued by itself waits."""
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
    joined = await same_job(connection, spec, since, meter_ids)
    if joined is None and automatic:
        joined = await join_job(connection, spec)
        if joined is not None:
            await add_job_meters(connection, joined, meter_ids)
    if joined is not None:
        return joined, False
    job_id = await add_job(connection, spec, since, automatic, author, reason, MAX_UNFINISHED)
    if job_id is None:
        log.warning("job_not_queued", spec=spec, meters=len(meter_ids), most=MAX_UNFINISHED)
        return None
    await add_job_meters(connection, job_id, meter_ids)
    await hand_out(connection, job_id, REDECODE.name)
    detail = {"job": job_id, "spec": spec, "meters": len(meter_ids), "author": author, "reason": reason}
    await record_event(connection, "redecoding_queued", detail=detail)
    log.info("job_queued", **detail)
    return job_id, True


async def assigned_specs(connection: Connection, keys: Iterable[str]) -> dict[str, str | None]:
    """The spec that each meter in place is read by."""
    return {one.key: one.spec for one in await assigned_spec_rows(connection, list(keys))}


async def queue_for(connection: Connection, specs: Mapping[str, str], reason: str = GOT_IT) -> None:
    """Queue meters (by key) that got these specs, as far as frames of them are kept that the spec has not seen."""
    if specs:
        await _queue_by_spec(connection, await undecoded_meters(connection, list(specs), list(specs.values())), reason)


async def queue_late(connection: Connection, since: datetime) -> None:
    """Queue meters whose unread frames came in, since then, after the job of their spec."""
    await _queue_by_spec(connection, await late_frames(connection, since), CAME_LATE)


async def queue_retry(
    connection: Connection,
    selection: Mapping[str, object],
    *,
    since: datetime | None = None,
    author: str = SYSTEM,
    reason: str | None = None,
) -> int | None:
    """Queue payloads of quarantine to be taken again, inside the caller's transaction.

    Returns the job, one that waits for just this where it is; None where MAX_UNFINISHED jobs are there already.
    """
    number = await same_retry(connection, selection, since)
    if number is not None:
        return number
    number = await add_retry(connection, selection, since, author, reason, MAX_UNFINISHED)
    if number is None:
        log.warning("retry_not_queued", selection=selection, most=MAX_UNFINISHED)
        return None
    await hand_out(connection, number, RETRY.name)
    detail = {"job": number, "selection": selection, "author": author, "reason": reason}
    await record_event(connection, "quarantine_retry_queued", detail=detail)
    return number


async def queue_orphaned(connection: Connection) -> int:
    """Give unfinished jobs that the queue has lost back to it; returns how many."""
    found = await orphaned_jobs(connection)
    for one in found:
        log.warning("job_queued_again", job=one.id, kind=one.kind)
        await hand_out(connection, one.id, one.kind, priority=one.priority, delay=one.delay)
    return len(found)


async def forget_old(connection: Connection) -> None:
    """Delete jobs that ended long ago, each kind's in its own time, and files that have expired."""
    known = [(one.name, one.kept) for one in KINDS.values()]
    await forget_jobs(connection, KEPT, [name for name, _ in known], [kept for _, kept in known])
    await drop_expired_files(connection)


async def _queue_by_spec(connection: Connection, meters: Iterable[MeterSpec], reason: str) -> None:
    by_spec: dict[str, list[int]] = defaultdict(list)
    for one in meters:
        by_spec[one.spec].append(one.id)
    for spec, meter_ids in by_spec.items():
        queued = await queue_job(connection, spec, meter_ids, automatic=True, reason=reason)
        if queued is None:
            detail = {"spec": spec, "meters": len(meter_ids), "most": MAX_UNFINISHED}
            await record_event(connection, "redecoding_not_queued", severity="warning", detail=detail)
