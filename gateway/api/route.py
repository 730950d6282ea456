"""One route of the API as data, and what turns requests into calls and results into responses."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from aiohttp import web
from pydantic import BaseModel, ValidationError

from broker.errors import TransientError
from gateway.desired.layers import read_changes
from gateway.faults import Fault, Kind, Refusal, unavailable
from gateway.models import ApiModel, AuthorQuery
from gateway.principals import LOCAL, Principal, author_of
from gateway.roles import Role, needed_role
from gateway.validation import mismatch
from store.errors import heals, reason

log = structlog.get_logger()

PREFIX = "/api/v1"
SILENT_S = 300.0
"""A client that takes nothing of a stream for so long is given up."""
M = TypeVar("M", bound=BaseModel)


class SlowClientError(TransientError):
    """A client took nothing for too long."""


class ClientLeftError(TransientError):
    """A client is gone; with a ConnectionError it could as well be the database that is."""


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
    who: Principal = LOCAL


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request as it came, over HTTP or from a page of the console."""

    path: dict[str, str]
    query: dict[str, Any] = field(default_factory=dict)
    """Values by name; a list where one is given more than once."""
    body: bytes = b""
    who: Principal = LOCAL
    if_match: str | None = None
    accept: str = ""
    content_type: str = ""

    @classmethod
    def of(cls, request: web.Request, body: bytes, who: Principal) -> "ApiRequest":
        """What an HTTP request asks for."""
        values = {name: request.query.getall(name) for name in request.query}
        return cls(
            dict(request.match_info),
            {name: given[0] if len(given) == 1 else given for name, given in values.items()},
            body,
            who,
            request.headers.get("If-Match"),
            request.headers.get("Accept", ""),
            request.content_type,
        )


@dataclass(frozen=True, slots=True)
class Stream:
    """A body that is made while it is sent."""

    parts: AsyncGenerator[bytes, None]
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

    role: Role | None = None
    """Who may call it, where that is not by the method (gateway/roles.py:needed_role)."""
    sends: tuple[str, ...] = ("application/json",)
    """Media types of the answer; of one that is a stream `response` describes a row."""
    secret: bool = False
    """Whether what is sent holds a secret: the audit keeps nothing of the body."""
    audited: bool = False
    """Whether who reads it is entered in the audit, as who changes something always is."""
    stream: Callable[[Call, web.Request], Awaitable[web.StreamResponse]] | None = None
    """Answers in the handler's place, for as long as the client stays."""

    @property
    def needs(self) -> Role:
        """The lowest role that may call it."""
        return needed_role(self.method, self.role)

    @property
    def deed(self) -> str:
        """What it does, as the rest of a sentence after `to`: `see tokens`, `revoke a token`."""
        first = re.split(r"[;,:.]", self.summary, maxsplit=1)[0]
        words = first if first.isupper() else first[:1].lower() + first[1:]
        return f"see {words}" if self.method == "GET" else words

    @property
    def changes(self) -> bool:
        """Whether it is audited: it changes something, as what a viewer may call does not, or takes much away."""
        return self.audited or (self.method != "GET" and (self.secret or self.needs is not Role.VIEWER))

    def validated(self, asked: ApiRequest) -> Call:
        """The call, its query and its parameters valid. Raises Refusal."""
        query = _validated(self.query or NoQuery, asked.query)
        if isinstance(query, AuthorQuery):
            claimed = query.author if "author" in query.model_fields_set else None
            query = query.model_copy(update={"author": author_of(asked.who.name, claimed)})
        changes: dict[str, Any] = {}
        if self.body is not None and not self.media:
            try:
                changes = read_changes(self.body, asked.body)
            except ValidationError as error:
                raise mismatch(error, tuple(self.body.model_fields)) from error
        return Call(asked.path, query, changes, asked.if_match, asked.body, asked.accept, asked.content_type, asked.who)

    @staticmethod
    async def respond(request: web.Request, answer: Answer) -> web.StreamResponse:
        """The answer over HTTP."""
        headers = {"Cache-Control": "no-store"} | ({"ETag": answer.etag} if answer.etag else {})
        if isinstance(answer.document, Stream):
            return await _send(request, answer.document, headers)
        if isinstance(answer.document, str):
            return web.Response(text=answer.document, content_type="application/yaml", headers=headers)
        return web.Response(
            text=answer.document.model_dump_json(by_alias=True), content_type="application/json", headers=headers
        )


def require_match(call: Call, now: Answer, what: str, last: str = "") -> None:
    """Refuse a change of something that has changed since the caller read it (RFC 9110 13.1.1). Raises Refusal: stale.

    `last` tells of the newest change that has an author: who made it and when. Specs change a configuration, too.
    """
    if call.if_match is None or call.if_match.strip() == "*":
        return
    if now.etag not in [tag.strip() for tag in call.if_match.split(",")]:
        fault = Fault("If-Match", f"{call.if_match[:100]} is not {now.etag}, which holds now", "GET it again")
        document = now.document
        current = document.model_dump(mode="json", by_alias=True) if isinstance(document, BaseModel) else None
        raise Refusal(
            Kind.STALE,
            f"{what} have changed since they were read{last and f'; last: {last}'}",
            [fault],
            current=current,
            etag=now.etag,
        )


def require_absent(call: Call, what: str) -> None:
    """Refuse a change by If-Match, of whatever state, of something that is not there. Raises Refusal: stale."""
    if call.if_match is not None:
        fault = Fault("If-Match", f"{what} is not there", "make it anew without If-Match, if it is still wanted")
        raise Refusal(Kind.STALE, f"{what} is not there", [fault])


async def _send(request: web.Request, stream: Stream, headers: dict[str, str]) -> web.StreamResponse:
    """Send part by part; what fails on the way breaks the connection, so that nobody takes a part for the whole."""
    response = web.StreamResponse(headers=headers | stream.headers | {"Content-Type": stream.media})
    try:
        await taken(response.prepare(request), SILENT_S)
        async with contextlib.aclosing(stream.parts) as parts:
            async for part in parts:
                await taken(response.write(part), SILENT_S)
        await taken(response.write_eof(), SILENT_S)
    except (ClientLeftError, SlowClientError) as error:
        log.info("stream_left", path=request.path, reason=str(error))
        _break(request)
        return response
    except BaseException as error:
        log.warning("stream_broken", path=request.path, reason=reason(error))
        _break(request)
        if isinstance(error, Exception) and heals(error):
            # nobody hears it, and it is told above: it only counts among the requests
            raise unavailable() from error
        raise
    return response


async def taken(sending: Awaitable[object], within_s: float) -> None:
    """Send something. Raises SlowClientError where the client takes nothing for so long, ClientLeftError if it left."""
    try:
        async with asyncio.timeout(within_s):
            await sending
    except TimeoutError as error:
        raise SlowClientError(f"nothing taken in {within_s:g} s") from error
    except ConnectionError as error:
        raise ClientLeftError(str(error) or "the connection is gone") from error


def _break(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


class NoQuery(ApiModel):
    """Routes without a query refuse one."""


def read_body(model: type[M], call: Call) -> M:
    """The body of a route with `media`, as JSON. Raises Refusal."""
    try:
        return model.model_validate_json(call.body, strict=True)
    except ValidationError as error:
        hidden = bool(model.model_config.get("hide_input_in_errors"))
        raise mismatch(error, list(model.model_fields), secret=hidden) from error


def _validated(model: type[ApiModel], values: dict[str, Any]) -> ApiModel:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise mismatch(error, [field.alias or name for name, field in model.model_fields.items()]) from error
