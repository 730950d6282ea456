"""Routes about jobs: what is under way, what came of it, and the kept frames of a spec's meters decoded again."""

from dataclasses import asdict

from gateway.api.jobs.models import JobAsked, JobKinds, JobKindView, JobPage, JobsQuery, JobView, RedecodeQuery
from gateway.api.pages import CURSOR_FIX
from gateway.api.route import Answer, Call, Route, read_body
from gateway.faults import invalid, unknown
from gateway.jobs.asking import ask, retry
from gateway.jobs.store import Job, list_jobs
from gateway.models import ReasonQuery, encode_cursor
from gateway.specs.job_requests import JobRequests
from store.kinds.every import KINDS
from store.pool import Pool

MAX_ID = 2**63 - 1
ID = {"job": "The job's number."}
MEDIA = ("application/json",)


class JobRoutes:
    """Jobs, and the one that people ask for."""

    def __init__(self, pool: Pool, requests: JobRequests) -> None:
        self._pool = pool
        self._requests = requests

    def routes(self) -> list[Route]:
        """The routes served here."""
        again = "Decode the kept frames of its meters into history, as a job; readings that are there stay."
        ended = "End a job; what it has stored stays. A job that has ended by itself is not cancelled any more."
        kinds = "Kinds of jobs, and what each is asked for."
        anew = "Try a job again that failed or was cancelled; it goes on where it stood."
        asked = "Ask for a job: work that is too long for a request."
        spec = {"name": "The spec's name.", "version": "Its version, from 1."}
        return [
            Route("POST", "/specs/{name}/{version}:redecode", "redecodeSpec", again, self.redecode, JobView,
                  RedecodeQuery, path_fields=spec),
            Route("GET", "/jobs", "listJobs", "Jobs, the newest first.", self.page, JobPage, JobsQuery),
            Route("GET", "/jobs/{job}", "getJob", "A job and its progress.", self.detail, JobView, path_fields=ID),
            Route("POST", "/jobs/{job}:cancel", "cancelJob", ended, self.cancel, JobView, ReasonQuery, path_fields=ID),
            Route("POST", "/jobs/{job}:retry", "retryJob", anew, self.retry, JobView, ReasonQuery, path_fields=ID),
            Route("POST", "/jobs", "askJob", asked, self.ask, JobView, ReasonQuery, JobAsked, media=MEDIA),
            Route("GET", "/job-kinds", "listJobKinds", kinds, self.kinds, JobKinds),
        ]  # fmt: skip

    async def redecode(self, call: Call) -> Answer:
        """POST /specs/{name}/{version}:redecode."""
        query: RedecodeQuery = call.query
        number = await self._requests.redecode(
            call.path["name"], call.path["version"], query.meter, query.since, author=query.author, reason=query.reason
        )
        return Answer(job_view(await self._requests.find(number)))

    async def page(self, call: Call) -> Answer:
        """GET /jobs."""
        query: JobsQuery = call.query
        before = MAX_ID
        if query.cursor is not None:
            match query.cursor:
                case [int() as before] if 0 < before <= MAX_ID:
                    pass
                case _:
                    raise invalid("cursor", "this is no cursor of this list", CURSOR_FIX)
        rows = await list_jobs(self._pool, before, query.state, query.spec, query.kind, query.limit + 1)
        items = tuple(job_view(row) for row in rows[: query.limit])
        more = len(rows) > query.limit
        return Answer(JobPage(items=items, next=encode_cursor(items[-1].job) if more else None))

    async def detail(self, call: Call) -> Answer:
        """GET /jobs/{job}."""
        return Answer(job_view(await self._requests.find(_number(call))))

    async def ask(self, call: Call) -> Answer:
        """POST /jobs."""
        query: ReasonQuery = call.query
        body = read_body(JobAsked, call)
        async with self._pool.acquire() as connection, connection.transaction():
            number = await ask(
                connection, body.kind, body.arguments, author=query.author, reason=query.reason, priority=body.priority
            )
        return Answer(job_view(await self._requests.find(number)))

    async def retry(self, call: Call) -> Answer:
        """POST /jobs/{job}:retry."""
        query: ReasonQuery = call.query
        number = _number(call)
        async with self._pool.acquire() as connection, connection.transaction():
            await retry(connection, number, author=query.author, reason=query.reason)
        return Answer(job_view(await self._requests.find(number)))

    async def kinds(self, _: Call) -> Answer:
        """GET /job-kinds."""
        found = [
            JobKindView(
                kind=name, says=one.says, unit=one.unit, by_hand=one.by_hand, priority=one.priority,
                concurrent=one.concurrent, attempts=one.attempts, arguments=one.arguments.model_json_schema(),
            )
            for name, one in sorted(KINDS.items())
        ]  # fmt: skip
        return Answer(JobKinds(items=tuple(found)))

    async def cancel(self, call: Call) -> Answer:
        """POST /jobs/{job}:cancel."""
        query: ReasonQuery = call.query
        return Answer(job_view(await self._requests.cancel(_number(call), author=query.author, reason=query.reason)))


def job_view(job: Job) -> JobView:
    """A job as the API shows it."""
    values = asdict(job)
    kind = KINDS.get(job.kind)
    return JobView(job=values.pop("job_id"), unit="" if kind is None else kind.unit, **values)


def _number(call: Call) -> int:
    text = call.path["job"]
    if not (text.isdecimal() and text.isascii() and len(text) <= 18):
        raise unknown("job", text)
    return int(text)
