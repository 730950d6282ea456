"""Jobs that people ask for, and end: kept frames decoded again, and quarantine taken again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.desired.change import Configuration
from gateway.events import record_event
from gateway.faults import Kind, Refusal, conflict, invalid, unknown
from gateway.fleet.store.meters import meters_by_key
from gateway.jobs.queueing import MAX_UNFINISHED, queue_job, queue_retry
from gateway.jobs.store import Job, cancel_job, find_job
from gateway.specs.life import SpecLife, readable
from gateway.specs.store import meters_of_spec
from meters.specs.spec import Spec
from store.pool import Pool
from store.sql import Connection

CANCELLED: Final = {"redecode": "redecoding_cancelled", "retry": "quarantine_retry_cancelled"}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which payloads of quarantine to take again; without any choice all that are open."""

    cause: str | None = None
    device: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    id: int | None = None

    def check(self) -> None:
        """See that it can hold anything. Raises Refusal: invalid."""
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise invalid("until", "it is not after `since`", "give a later one")

    def document(self) -> dict[str, object]:
        """What the job keeps of it; its beginning stands apart."""
        until = None if self.until is None else self.until.isoformat()
        chosen = {"cause": self.cause, "device": self.device, "until": until, "id": self.id}
        return {name: value for name, value in chosen.items() if value is not None}


class JobRequests:
    """Queues and cancels jobs, each in a transaction with its event."""

    def __init__(self, pool: Pool, configuration: Configuration, life: SpecLife) -> None:
        self._pool = pool
        self._configuration = configuration
        self._life = life

    async def redecode(
        self, name: str, version: str, key: str | None, since: datetime | None, *, author: str, reason: str | None
    ) -> int:
        """Queue the kept frames of a meter, or of all that have a spec, to be decoded by it; returns the job.

        Raises Refusal: unknown, invalid, too many.
        """
        stored = await self._life.find(name, version)
        spec = readable(stored, "version")
        if stored.state == "draft":
            raise invalid("version", f"{spec.ref} is a draft", "publish it first; compare shows what it would give")
        async with self._configuration.changing() as change:
            meters = await _meters(change.connection, spec, key)
            queued = await queue_job(change.connection, spec.ref, meters, since=since, author=author, reason=reason)
        if queued is None:
            raise full()
        return queued[0]

    async def retry(self, selection: Selection, *, author: str, reason: str | None) -> int:
        """Queue payloads of quarantine to be taken again; returns the job, one that waits for just this where it is.

        Raises Refusal: invalid, too many.
        """
        selection.check()
        document, since = selection.document(), selection.since
        async with self._configuration.changing() as change:
            number = await queue_retry(change.connection, document, since=since, author=author, reason=reason)
        if number is None:
            raise full()
        return number

    async def cancel(self, number: int, *, author: str, reason: str | None) -> Job:
        """End a job; what it has stored stays. Returns it. Raises Refusal: unknown, conflict."""
        why = f"cancelled by {author}" + (f": {reason}" if reason else "")
        async with self._pool.acquire() as connection, connection.transaction():
            cancelled = await cancel_job(connection, number, why)
            if cancelled is not None:
                detail = {"job": number, "author": author, "reason": reason}
                event = CANCELLED.get(cancelled, "job_cancelled")
                if event == "job_cancelled":
                    detail["kind"] = cancelled
                await record_event(connection, event, severity="warning", detail=detail)
        job = await self.find(number)
        check_cancelled(number, job.state)
        return job

    async def find(self, number: int) -> Job:
        """A job and its progress. Raises Refusal: unknown."""
        job = await find_job(self._pool, number)
        if job is None:
            raise unknown("job", str(number))
        return job


def full() -> Refusal:
    """There are as many unfinished jobs as there may be."""
    return Refusal(Kind.TOO_MANY, f"{MAX_UNFINISHED} jobs wait or run already: cancel some, or ask again later")


def check_cancelled(number: int, state: str) -> None:
    """See that a job is cancelled after it should be; one that ended by itself is not. Raises Refusal: conflict."""
    if state != "cancelled":
        raise conflict(f"job {number} is {state}: there is nothing to cancel")


def check_read_by(spec: Spec, key: str, parent: str | None, protocol: str | None) -> None:
    """See that a meter's own frames can be read by a spec. Raises Refusal: invalid."""
    if parent is not None:
        raise invalid("meter", f"{key} is read through {parent}", f"name {parent}")
    if protocol and protocol != spec.match.protocol:
        raise invalid("meter", f"{key} speaks {protocol}, {spec.ref} is for {spec.match.protocol}", "name another")


async def _meters(connection: Connection, spec: Spec, key: str | None) -> list[int]:
    """Whose frames to decode: those that have the spec, or the one that is named."""
    if key is None:
        found = await meters_of_spec(connection, spec.ref)
        if not found:
            raise invalid("meter", f"no meter is read by {spec.ref}", "name one whose kept frames to decode by it")
        return found
    stored = await meters_by_key(connection, [key])
    if not stored:
        raise unknown("meter", key)
    check_read_by(spec, key, stored[0].parent, stored[0].protocol)
    return [stored[0].id]
