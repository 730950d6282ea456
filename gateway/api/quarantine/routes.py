"""Routes about quarantine: what was refused and why, its bytes, and the way back once the cause is mended."""

import base64

from gateway.api.jobs.models import JobView
from gateway.api.jobs.routes import job_view
from gateway.api.pages import page_of, timed_cursor
from gateway.api.quarantine.models import QuarantineDetail, QuarantinePage, QuarantineQuery, RetryQuery
from gateway.api.quarantine.store import list_quarantine, quarantine_detail
from gateway.api.route import Answer, Call, Route
from gateway.faults import Fault, Kind, Refusal
from gateway.specs.job_requests import JobRequests, Selection
from store.pool import Pool

ID = {"payload": "The payload's number in quarantine."}


class QuarantineRoutes:
    """Quarantine, and its retry as a job of the worker's."""

    def __init__(self, pool: Pool, requests: JobRequests) -> None:
        self._pool = pool
        self._requests = requests

    def routes(self) -> list[Route]:
        """The routes served here."""
        listed = "Payloads and values that could not be taken, the newest first."
        again = "Take payloads again, as a job: what is stored by now, or can be, is; the rest stays in quarantine."
        return [
            Route("GET", "/quarantine", "listQuarantine", listed, self.page, QuarantinePage, QuarantineQuery),
            Route("GET", "/quarantine/{payload}", "getQuarantined", "One of them with its bytes.", self.detail,
                  QuarantineDetail, path_fields=ID),
            Route("POST", "/quarantine:retry", "retryQuarantine", again, self.retry, JobView, RetryQuery),
        ]  # fmt: skip

    async def page(self, call: Call) -> Answer:
        """GET /quarantine."""
        query: QuarantineQuery = call.query
        before, number = timed_cursor(query.cursor)
        rows = await list_quarantine(
            self._pool, before, number, query.cause, query.device, query.since, query.until, query.resolved,
            query.limit + 1,
        )  # fmt: skip
        items, following = page_of(rows, query.limit, "received_at", "id")
        return Answer(QuarantinePage(items=items, next=following))

    async def detail(self, call: Call) -> Answer:
        """GET /quarantine/{payload}."""
        text = call.path["payload"]
        found = None
        if text.isdecimal() and text.isascii() and len(text) <= 18:
            found = await quarantine_detail(self._pool, int(text))
        if found is None:
            said = f"there is nothing of number {text[:100]!r} in quarantine"
            raise Refusal(Kind.UNKNOWN, said, [Fault("payload", said, "GET /api/v1/quarantine lists what is")])
        try:
            shown = found.data.decode()
        except UnicodeDecodeError:
            shown = None
        values = found.model_dump(exclude={"data"})
        return Answer(QuarantineDetail(**values, text=shown, data=base64.b64encode(found.data).decode()))

    async def retry(self, call: Call) -> Answer:
        """POST /quarantine:retry."""
        query: RetryQuery = call.query
        selection = Selection(query.cause, query.device, query.since, query.until, query.id)
        number = await self._requests.retry(selection, author=query.author, reason=query.reason)
        return Answer(job_view(await self._requests.find(number)))
