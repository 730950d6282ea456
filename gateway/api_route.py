"""One route of the API as data, and the adapter that turns requests into calls and results into responses."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import structlog
from aiohttp import web
from pydantic import BaseModel, ValidationError

from gateway.api_models import ApiModel
from gateway.layers import KNOWN, read_changes
from gateway.problem import invalid

log = structlog.get_logger()

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose parts are valid."""

    path: dict[str, str]
    query: Any = None
    """An instance of the route's query model."""
    changes: dict[str, Any] = field(default_factory=dict)
    """The body's parameters by name, None where one is given back."""
    if_match: str | None = None
    body: bytes = b""
    """The body as it came, of a route with `media`."""
    accept: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """A body that is made while it is sent."""

    parts: AsyncIterator[bytes]
    media: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler found."""

    document: BaseModel | str | Stream
    """A text is sent as YAML."""
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path, all that the adapter and the OpenAPI document need."""

    method: str
    path: str
    name: str
    summary: str
    handler: Callable[[Call], Awaitable[Answer]]
    response: type[BaseModel]
    query: type[ApiModel] | None = None
    body: type[Any] | None = None
    path_fields: dict[str, str] = field(default_factory=dict)
    """Description of each field of the path."""
    etag: bool = False
    media: tuple[str, ...] = ()
    """Media types of a body that the handler reads itself; `body` then only describes it."""
    produces: tuple[str, ...] = ()
    """Media types of an answer that is a stream; `response` then describes a row of it."""

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Serve one request. Raises ApiError."""
        query = _validated(self.query or NoQuery, request)
        changes: dict[str, Any] = {}
        payload = await request.read() if self.body is not None else b""
        if self.body is not None and not self.media:
            try:
                changes = read_changes(self.body, payload)
            except ValidationError as error:
                raise invalid(error, KNOWN) from error
        call = Call(
            dict(request.match_info),
            query,
            changes,
            request.headers.get("If-Match"),
            payload,
            request.headers.get("Accept", ""),
            request.content_type,
        )
        answer = await self.handler(call)
        headers = {"Cache-Control": "no-store"} | ({"ETag": answer.etag} if answer.etag else {})
        if isinstance(answer.document, Stream):
            return await _send(request, answer.document, headers)
        if isinstance(answer.document, str):
            return web.Response(text=answer.document, content_type="application/yaml", headers=headers)
        return web.Response(
            text=answer.document.model_dump_json(by_alias=True), content_type="application/json", headers=headers
        )


async def _send(request: web.Request, stream: Stream, headers: dict[str, str]) -> web.StreamResponse:
    """Send part by part; what fails on the way breaks the connection, so that nobody takes a part for the whole."""
    response = web.StreamResponse(headers=headers | stream.headers | {"Content-Type": stream.media})
    await response.prepare(request)
    try:
        async for part in stream.parts:
            await response.write(part)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        log.warning("stream_broken", path=request.path, reason=str(error) or type(error).__name__)
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


class NoQuery(ApiModel):
    """Routes without a query refuse one."""


def _validated(model: type[ApiModel], request: web.Request) -> ApiModel:
    values = {name: request.query.getall(name) for name in request.query}
    try:
        return model.model_validate({name: given[0] if len(given) == 1 else given for name, given in values.items()})
    except ValidationError as error:
        raise invalid(error, [field.alias or name for name, field in model.model_fields.items()]) from error
