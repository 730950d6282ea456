"""Jobs of any kind that people ask for, by its name and arguments, and jobs that they have tried again."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from gateway.events import record_event
from gateway.faults import Fault, Kind, Refusal, conflict, unknown
from gateway.jobs.checks import check_wants
from gateway.jobs.store import find_job, requeue_job
from gateway.validation import faults_of
from store.kinds.every import KINDS
from store.kinds.kind import JobArguments
from store.kinds.kind import Kind as JobKind
from store.queue import enqueue, hand_out
from store.sql import Connection

BY_HAND = tuple(name for name, kind in KINDS.items() if kind.by_hand)
"""The kinds that people ask for."""


def arguments_of(name: str, values: Mapping[str, Any]) -> tuple[JobKind[Any], JobArguments]:
    """The kind of this name, and what it is asked for. Raises Refusal: invalid."""
    kind = KINDS.get(name)
    if kind is None or not kind.by_hand:
        raise _invalid([Fault("kind", f"{name!r} is no kind of jobs to ask for", f"known are: {', '.join(BY_HAND)}")])
    try:
        return kind, kind.arguments.model_validate(dict(values))
    except ValidationError as error:
        found = faults_of(error, tuple(kind.arguments.model_fields))
        where = [f"arguments.{one.field}" if one.field not in ("", "body") else "arguments" for one in found]
        raise _invalid([Fault(field, one.reason, one.fix) for field, one in zip(where, found, strict=True)]) from error


async def ask(
    connection: Connection,
    name: str,
    values: Mapping[str, Any],
    *,
    author: str,
    reason: str | None,
    priority: int | None = None,
) -> int:
    """Ask for a job, in the caller's transaction; returns its number. Raises Refusal: invalid, too many."""
    kind, arguments = arguments_of(name, values)
    await check_wants(connection, arguments)
    number = await enqueue(connection, kind, arguments, author=author, reason=reason, priority=priority)
    if number is None:
        raise Refusal(Kind.TOO_MANY, f"{kind.most} jobs of {name} wait or run already: cancel some, or ask again later")
    await record_event(
        connection, "job_queued", detail={"job": number, "kind": name, "author": author, "reason": reason}
    )
    return number


async def retry(connection: Connection, number: int, *, author: str, reason: str | None) -> None:
    """Have a job that failed or was cancelled done again, from where it stood. Raises Refusal: unknown, conflict."""
    found = await requeue_job(connection, number)
    if found is None:
        job = await find_job(connection, number)
        if job is None:
            raise unknown("job", str(number))
        raise conflict(f"job {number} is {job.state}: only one that failed or was cancelled is tried again")
    await hand_out(connection, number, found.kind, priority=found.priority)
    detail = {"job": number, "kind": found.kind, "author": author, "reason": reason}
    await record_event(connection, "job_retried", detail=detail)


def _invalid(faults: list[Fault]) -> Refusal:
    return Refusal(Kind.INVALID, str(faults[0]), faults)
