"""Routes that list events, and stream changes as server-sent events (WHATWG HTML 9.2)."""

import asyncio
import time
from typing import Any, Final

import structlog
from aiohttp import web

from gateway.api.auth.authorization import COOKIE
from gateway.api.auth.tokens import Authenticator
from gateway.api.pages import timed_cursor
from gateway.api.route import Answer, Call, ClientLeftError, Route, SlowClientError, taken
from gateway.api.stream.changes import Change, Changes, Position
from gateway.api.stream.models import ChangeView, EventPage, EventsQuery, StreamQuery
from gateway.api.stream.store import list_events
from gateway.faults import invalid, too_many
from gateway.fleet.devices import check_device
from gateway.metrics import Metrics
from gateway.models import encode_cursor
from gateway.principals import Principal
from store.errors import DATABASE_ERRORS, reason
from store.pool import Pool

log = structlog.get_logger()
HEARTBEAT_S: Final = 15.0
RETRY_MS: Final = 2000


class StreamRoutes:
    """GET /events and /events/stream. Nothing is queued for a client: it reads on from its place in common memory.

    At most `most` follow, `each` of them by one token. One that takes nothing for `slow_s` is sent away; the kernel's
    buffer is all that waits for it.
    """

    def __init__(
        self,
        pool: Pool,
        changes: Changes,
        authenticator: Authenticator,
        metrics: Metrics,
        most: int,
        each: int,
        slow_s: float,
    ) -> None:
        self._pool = pool
        self._changes = changes
        self._authenticator = authenticator
        self._metrics = metrics
        self._most = most
        self._each = each
        self._slow_s = slow_s
        self._open: dict[asyncio.Task[Any], Principal] = {}

    def routes(self) -> list[Route]:
        """The routes served here."""
        told = (
            "Changes as server-sent events: devices, desired and reported configuration, events, specs, jobs, "
            "commands, staged changes. The event's name is its kind. `reset` says that changes were missed and what is "
            "shown must be read anew."
        )
        listed = "Events of devices and services, the newest first."
        return [
            Route("GET", "/events", "listEvents", listed, self.page, EventPage, EventsQuery),
            Route("GET", "/events/stream", "streamEvents", told, _nothing, ChangeView, StreamQuery,
                  sends=("text/event-stream",), stream=self.stream),
        ]  # fmt: skip

    async def page(self, call: Call) -> Answer:
        """GET /events."""
        query: EventsQuery = call.query
        before, shown = timed_cursor(query.cursor)
        rows = await list_events(self._pool, query.device, query.event, query.severity, before, shown, query.limit + 1)
        page, more = tuple(rows[: query.limit]), None
        if len(rows) > query.limit:
            last = page[-1].received_at
            of_last = sum(one.received_at == last for one in page)
            more = encode_cursor(last.isoformat(), of_last + (shown if last == before else 0))
        return Answer(EventPage(items=page, next=more))

    def end(self) -> None:
        """Send every client away: the gateway stops."""
        for task in self._open:
            task.cancel()

    async def stream(self, call: Call, request: web.Request) -> web.StreamResponse:
        """Serve one client until it leaves, its time is over, or it must go."""
        query: StreamQuery = call.query
        await check_device(self._pool, query.device)
        start = _start(request.headers.get("Last-Event-ID") or query.last_event_id)
        if len(self._open) >= self._most:
            raise too_many(f"{self._most} clients follow the stream already", 30)
        if list(self._open.values()).count(call.who) >= self._each:
            raise too_many(f"{self._each} clients of {call.who.name} follow the stream already", 30)
        head = await self._changes.follow()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        # not kept for the next request: a proxy must not wait for more
        response.headers["X-Accel-Buffering"] = "no"
        task = asyncio.current_task()
        try:
            if task is not None:
                self._open[task] = call.who
            self._metrics.streams.set(len(self._open))
            await taken(response.prepare(request), self._slow_s)
            await self._serve(request, response, start or head, query)
        except ClientLeftError:
            log.debug("stream_left", address=request.remote)
        except SlowClientError as error:
            self._drop(request, "slow", str(error))
        except DATABASE_ERRORS as error:
            self._drop(request, "database", reason(error))
        finally:
            if task is not None:
                self._open.pop(task, None)
            self._changes.leave()
            self._metrics.streams.set(len(self._open))
        return response

    def _drop(self, request: web.Request, reason: str, detail: str) -> None:
        """Send a client away at once: an orderly end would wait behind what it does not take."""
        self._metrics.streams_dropped.labels(reason).inc()
        log.warning("stream_dropped", reason=reason, detail=detail, address=request.remote)
        if request.transport is not None:
            request.transport.abort()

    async def _serve(
        self, request: web.Request, response: web.StreamResponse, position: Position, query: StreamQuery
    ) -> None:
        until = time.monotonic() + query.for_s if query.for_s else None
        kinds = set(query.kinds.split(",")) if query.kinds else None
        await self._write(response, f"retry: {RETRY_MS}\nid: {position}\nevent: open\ndata: {{}}\n\n")
        while True:
            wait_s = HEARTBEAT_S if until is None else min(HEARTBEAT_S, until - time.monotonic())
            if wait_s <= 0:
                break
            try:
                async with asyncio.timeout(wait_s):
                    found = await self._changes.after(position)
            except TimeoutError:
                if not await self._still_welcome(request):
                    await self._write(response, 'event: end\ndata: {"reason": "the token is no longer valid"}\n\n')
                    break
                await self._write(response, f"id: {position}\n: still here\n\n")
                continue
            if found is None:
                self._metrics.streams_dropped.labels("behind").inc()
                log.warning("stream_reset", reason="behind", address=request.remote, position=str(position))
                await self._write(response, 'event: reset\ndata: {"reason": "changes were missed: read anew"}\n\n')
                position = await self._changes.newest()
                continue
            if found:
                position = found[-1].position
                wanted = [one for one in found if _wanted(one, kinds, query.device)]
                await self._write(response, "".join(_event(one) for one in wanted))
        await taken(response.write_eof(), self._slow_s)

    async def _write(self, response: web.StreamResponse, text: str) -> None:
        """Send a text, if there is one. Raises SlowClientError, ClientLeftError."""
        if text:
            await taken(response.write(text.encode()), self._slow_s)

    async def _still_welcome(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return await self._authenticator.by_token(token.strip()) is not None
        if not self._authenticator.guarded:
            return True
        return await self._authenticator.by_session(request.cookies.get(COOKIE, "")) is not None


async def _nothing(_: Call) -> Answer:
    raise invalid("path", "this is a stream", "read it as text/event-stream")


def _start(text: str | None) -> Position | None:
    if text is None:
        return None
    try:
        position = Position.parse(text)
    except ValueError:
        position = Position(-1, -1)
    if not (0 <= position.xid < 2**63 and 0 <= position.id < 2**63):
        raise invalid(
            "Last-Event-ID", f"{text[:50]!r} is no id of this stream", "give back the last `id`, or leave it out"
        )
    return position


def _wanted(change: Change, kinds: set[str] | None, device: str | None) -> bool:
    return (kinds is None or change.kind in kinds) and (device is None or change.device == device)


def _event(change: Change) -> str:
    view = ChangeView.model_validate(
        {"kind": change.kind, "at": change.at, "device": change.device, "detail": change.detail}
    )
    return f"id: {change.position}\nevent: {change.kind}\ndata: {view.model_dump_json()}\n\n"
