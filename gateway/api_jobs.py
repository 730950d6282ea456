"""Routes about jobs: what is under way, what came of it, and the kept frames of a spec's meters decoded again."""

from typing import Any

from gateway.api_cursors import CURSOR_FIX
from gateway.api_models import encode_cursor
from gateway.api_route import Answer, Call, Route
from gateway.desired import configuring
from gateway.events import record_event
from gateway.job_models import JobPage, JobsQuery, JobView, RedecodeQuery
from gateway.jobs import MAX_UNFINISHED, queue_job
from gateway.problem import ApiError, not_found, wrong
from gateway.publisher import Publisher
from gateway.spec_life import SpecLife, readable
from gateway.spec_models import LifeQuery
from gateway.sql import load
from meters.spec import Spec
from store.pool import Pool

MAX_ID = 2**63 - 1
ID = {"job": "The job's number."}


class JobRoutes:
    """Jobs, and the one that people ask for."""

    def __init__(self, pool: Pool, publisher: Publisher) -> None:
        self._pool = pool
        self._life = SpecLife(pool, publisher)

    def routes(self) -> list[Route]:
        """The routes served here."""
        again = "Decode the kept frames of its meters into history, as a job; readings that are there stay."
        ended = "End a job; what it has stored stays. A job that has ended by itself is not cancelled any more."
        spec = {"name": "The spec's name.", "version": "Its version, from 1."}
        return [
            Route("POST", "/specs/{name}/{version}:redecode", "redecodeSpec", again, self.redecode, JobView,
                  RedecodeQuery, path_fields=spec),
            Route("GET", "/jobs", "listJobs", "Jobs, the newest first.", self.page, JobPage, JobsQuery),
            Route("GET", "/jobs/{job}", "getJob", "A job and its progress.", self.detail, JobView, path_fields=ID),
            Route("POST", "/jobs/{job}:cancel", "cancelJob", ended, self.cancel, JobView, LifeQuery, path_fields=ID),
        ]  # fmt: skip

    async def redecode(self, call: Call) -> Answer:
        """POST /specs/{name}/{version}:redecode."""
        query: RedecodeQuery = call.query
        row = await self._life.row(call.path["name"], call.path["version"])
        spec = readable(row, "version")
        if row["state"] == "draft":
            raise wrong("version", f"{spec.ref} is a draft", "publish it first; compare shows what it would give")
        async with configuring(self._pool) as connection:
            meters = await self._meters(connection, spec, query.meter)
            queued = await queue_job(
                connection, spec.ref, meters, since=query.since, author=query.author, reason=query.reason
            )
        if queued is None:
            raise ApiError(429, f"{MAX_UNFINISHED} jobs wait or run already: cancel some, or ask again later")
        return Answer(await self._view(queued[0]))

    async def page(self, call: Call) -> Answer:
        """GET /jobs."""
        query: JobsQuery = call.query
        before = MAX_ID
        if query.cursor is not None:
            match query.cursor:
                case [int() as before] if 0 < before <= MAX_ID:
                    pass
                case _:
                    raise wrong("cursor", "this is no cursor of this list", CURSOR_FIX)
        rows = await self._pool.fetch(load("list_jobs"), before, query.state, query.spec, query.limit + 1)
        items = tuple(_view(row) for row in rows[: query.limit])
        more = len(rows) > query.limit
        return Answer(JobPage(items=items, next=encode_cursor(items[-1].job) if more else None))

    async def detail(self, call: Call) -> Answer:
        """GET /jobs/{job}."""
        return Answer(await self._view(_number(call)))

    async def cancel(self, call: Call) -> Answer:
        """POST /jobs/{job}:cancel."""
        query: LifeQuery = call.query
        number = _number(call)
        why = f"cancelled by {query.author}" + (f": {query.reason}" if query.reason else "")
        async with self._pool.acquire() as connection, connection.transaction():
            cancelled = await connection.fetchval(load("cancel_job"), number, why)
            if cancelled is not None:
                detail = {"job": number, "author": query.author, "reason": query.reason}
                event = "quarantine_retry_cancelled" if cancelled == "retry" else "redecoding_cancelled"
                await record_event(connection, event, severity="warning", detail=detail)
        job = await self._view(number)
        if job.state != "cancelled":
            raise ApiError(409, f"job {number} is {job.state}: there is nothing to cancel")
        return Answer(job)

    async def _meters(self, connection: Any, spec: Spec, key: str | None) -> list[int]:
        """Whose frames to decode. Raises ApiError 404, 422."""
        if key is None:
            found = [row["id"] for row in await connection.fetch(load("meters_of_spec"), spec.ref)]
            if not found:
                raise wrong("meter", f"no meter is read by {spec.ref}", "name one whose kept frames to decode by it")
            return found
        rows = await connection.fetch(load("meters_by_key"), [key])
        if not rows:
            raise not_found("meter", key)
        if rows[0]["parent"] is not None:
            raise wrong("meter", f"{key} is read through {rows[0]['parent']}", f"name {rows[0]['parent']}")
        protocol = rows[0]["protocol"]
        if protocol and protocol != spec.match.protocol:
            raise wrong("meter", f"{key} speaks {protocol}, {spec.ref} is for {spec.match.protocol}", "name another")
        return [rows[0]["id"]]

    async def _view(self, number: int) -> JobView:
        row = await self._pool.fetchrow("SELECT * FROM job_overview WHERE job_id = $1", number)
        if row is None:
            raise not_found("job", str(number))
        return _view(row)


def _view(row: Any) -> JobView:
    values = dict(row)
    return JobView(job=values.pop("job_id"), **values)


def _number(call: Call) -> int:
    text = call.path["job"]
    if not (text.isdecimal() and text.isascii() and len(text) <= 18):
        raise not_found("job", text)
    return int(text)
