"""Routes about quarantine: what was refused and why, its bytes, and the way back once the cause is mended."""

import base64
import json
from typing import Any

from gateway.api_cursors import page_of, timed_cursor
from gateway.api_route import Answer, Call, Route
from gateway.desired import configuring
from gateway.events import record_event
from gateway.job_models import JobView
from gateway.jobs import MAX_UNFINISHED
from gateway.layers import Problem
from gateway.problem import ApiError, wrong
from gateway.quarantine_models import QuarantineDetail, QuarantinePage, QuarantineQuery, QuarantineView, RetryQuery
from gateway.sql import load
from store.pool import Pool
from store.queue import enqueue_redecode

ID = {"payload": "The payload's number in quarantine."}


class QuarantineRoutes:
    """Quarantine, and its retry as a job of the worker's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

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
        rows = await self._pool.fetch(
            load("list_quarantine"),
            before, number, query.cause, query.device, query.since, query.until, query.resolved, query.limit + 1,
        )  # fmt: skip
        items, following = page_of(rows, query.limit, "received_at", "id")
        return Answer(QuarantinePage(items=tuple(QuarantineView(**dict(row)) for row in items), next=following))

    async def detail(self, call: Call) -> Answer:
        """GET /quarantine/{payload}."""
        text = call.path["payload"]
        row = None
        if text.isdecimal() and text.isascii() and len(text) <= 18:
            row = await self._pool.fetchrow(load("quarantine_detail"), int(text))
        if row is None:
            said = f"there is nothing of number {text[:100]!r} in quarantine"
            raise ApiError(404, said, [Problem("payload", said, "GET /api/v1/quarantine lists what is")])
        values = dict(row)
        data = bytes(values.pop("data"))
        try:
            shown = data.decode()
        except UnicodeDecodeError:
            shown = None
        return Answer(QuarantineDetail(**values, text=shown, data=base64.b64encode(data).decode()))

    async def retry(self, call: Call) -> Answer:
        """POST /quarantine:retry."""
        query: RetryQuery = call.query
        if query.since is not None and query.until is not None and query.since >= query.until:
            raise wrong("until", "it is not after `since`", "give a later one")
        until = None if query.until is None else query.until.isoformat()
        chosen = {"cause": query.cause, "device": query.device, "until": until, "id": query.id}
        selection = json.dumps({name: value for name, value in chosen.items() if value is not None})
        async with configuring(self._pool) as connection:
            number = await connection.fetchval(load("same_retry"), selection, query.since)
            if number is None:
                number = await self._queue(connection, selection, query)
        rows = await self._pool.fetch("SELECT * FROM job_overview WHERE job_id = $1", number)
        values = dict(rows[0])
        return Answer(JobView(job=values.pop("job_id"), **values))

    @staticmethod
    async def _queue(connection: Any, selection: str, query: RetryQuery) -> int:
        asked = (selection, query.since, query.author, query.reason, MAX_UNFINISHED)
        number = await connection.fetchval(load("add_retry"), *asked)
        if number is None:
            raise ApiError(429, f"{MAX_UNFINISHED} jobs wait or run already: cancel some, or ask again later")
        await enqueue_redecode(connection, number)
        detail = {"job": number, "selection": json.loads(selection), "author": query.author, "reason": query.reason}
        await record_event(connection, "quarantine_retry_queued", detail=detail)
        return int(number)
