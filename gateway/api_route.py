"""One route of the API as data, and the adapter that turns requests into calls and results into responses."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ValidationError

from gateway.api_models import ApiModel
from gateway.layers import Problem, read_changes
from gateway.problem import ApiError, invalid

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
class Answer:
    """What a handler found."""

    document: BaseModel | str
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

    async def __call__(self, request: web.Request) -> web.Response:
        """Serve one request. Raises ApiError."""
        query = _validated(self.query or NoQuery, request)
        changes: dict[str, Any] = {}
        payload = await request.read() if self.body is not None else b""
        if self.body is not None and not self.media:
            try:
                changes = read_changes(self.body, payload)
            except ValidationError as error:
                raise invalid(error, tuple(self.body.model_fields)) from error
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
        if isinstance(answer.document, str):
            return web.Response(text=answer.document, content_type="application/yaml", headers=headers)
        return web.Response(
            text=answer.document.model_dump_json(by_alias=True), content_type="application/json", headers=headers
        )


def require_match(call: Call, now: Answer, what: str) -> None:
    """Refuse a change of something that has changed since the caller read it (RFC 9110 13.1.1). Raises ApiError 412."""
    if call.if_match is None or call.if_match.strip() == "*":
        return
    if now.etag not in [tag.strip() for tag in call.if_match.split(",")]:
        fault = Problem("If-Match", f"{call.if_match[:100]} is not {now.etag}, which holds now", "GET it again")
        current = None if isinstance(now.document, str) else now.document.model_dump(mode="json", by_alias=True)
        raise ApiError(412, f"{what} have changed since they were read", [fault], current, now.etag)


class NoQuery(ApiModel):
    """Routes without a query refuse one."""


def _validated(model: type[ApiModel], request: web.Request) -> ApiModel:
    values = {name: request.query.getall(name) for name in request.query}
    try:
        return model.model_validate({name: given[0] if len(given) == 1 else given for name, given in values.items()})
    except ValidationError as error:
        raise invalid(error, [field.alias or name for name, field in model.model_fields.items()]) from error
