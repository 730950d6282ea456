"""What every page of the console works with: who asks, the API's operations, and templates."""

import contextlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import jinja2
import structlog
from aiohttp import hdrs, web

from gateway.access import Principal, Role
from gateway.api import Api, Handler, problem_of
from gateway.api_route import PREFIX, Asked, Route
from gateway.audit import Attempt
from gateway.config_standing import at_length
from gateway.console.assets import HEADERS, address
from gateway.problem import ApiError
from gateway.wording import counted, when

log = structlog.get_logger()
LOGIN: Final = "/login"
NOBODY: Final = Principal("-", Role.VIEWER)
Page = Callable[["Visit"], Awaitable[web.StreamResponse]]


def segment(text: str) -> str:
    """Text as one part of a path."""
    return quote(text, safe="")


def _standing(device: Any) -> str:
    """How a device's configuration stands, in words."""
    return at_length(device.config_state, device.reported.model_dump() if device.reported else None)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gateway.console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["segment"] = segment
    environment.filters["ident"] = lambda text: re.sub(r"[^A-Za-z0-9-]", lambda found: f"_{ord(found[0]):x}_", text)
    environment.filters["value"] = shown
    environment.filters["standing"] = _standing
    environment.filters["pretty"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str)
    environment.filters["when"] = when
    environment.filters["counted"] = counted
    environment.filters["iso"] = datetime.isoformat
    environment.globals["asset"] = address
    return environment


def shown(value: Any) -> str:
    """A parameter's value as an engineer would write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


class Desk:
    """Pages call the API's operations here, with the same roles, checks and audit as over HTTP."""

    def __init__(self, api: Api) -> None:
        self.door = api.door
        self._routes = {route.name: route for route in api.table}
        self._templates = _environment()

    def offers(self, operation: str) -> bool:
        """Whether the API has this operation."""
        return operation in self._routes

    def route(self, operation: str) -> Route:
        """The route of an operation. Raises KeyError."""
        return self._routes[operation]

    def text(self, template: str, values: Mapping[str, Any]) -> str:
        """A template with its values."""
        return self._templates.get_template(template).render(values)

    @web.middleware
    async def lost(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A page for a browser, too, where there is none or its form came in vain."""
        try:
            return await handler(request)
        except (web.HTTPException, ApiError) as error:
            browser = "text/html" in request.headers.get(hdrs.ACCEPT, "") and not request.path.startswith(PREFIX)
            found = problem_of(error, request) if browser else None
            if found is None:
                raise
            if error.status == 404:
                found = ApiError(404, f"There is no page {request.path[:200]}.")
            visit = Visit(self, request)
            with contextlib.suppress(ApiError):
                visit.who = await self.door.recognise(request) or visit.who
            return visit.problem(found)

    def page(self, handler: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """What aiohttp calls: only for who is logged in, and every error is a page too."""

        async def serve(request: web.Request) -> web.StreamResponse:
            visit = Visit(self, request)
            try:
                who = await self.door.recognise(request)
                if who is None:
                    return visit.to_login()
                visit.who = who
                return await handler(visit)
            except web.HTTPException as error:
                if error.status < 400:
                    raise
                return visit.problem(problem_of(error, request) or ApiError(error.status, error.reason))
            except Exception as error:
                found = problem_of(error, request)
                if found is None:
                    raise
                return visit.problem(found)

        serve.__name__ = f"console.{handler.__name__}"
        return serve


class Visit:
    """One request of a browser."""

    def __init__(self, desk: Desk, request: web.Request) -> None:
        self.desk = desk
        self.request = request
        self.who = NOBODY

    @property
    def path(self) -> Mapping[str, str]:
        """The fields of the path."""
        return self.request.match_info

    @property
    def partial(self) -> bool:
        """Whether htmx asks for a part of a page."""
        return "HX-Request" in self.request.headers and "HX-History-Restore-Request" not in self.request.headers

    async def form(self) -> dict[str, str]:
        """The texts of a form that was sent."""
        return {name: value for name, value in (await self.request.post()).items() if isinstance(value, str)}

    def may(self, operation: str) -> bool:
        """Whether the visitor's role covers an operation that the API has."""
        return self.desk.offers(operation) and self.who.role.covers(self.desk.route(operation).needs)

    def asked(
        self,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        if_match: str | None = None,
    ) -> Asked:
        """A request to the API by this visitor; empty fields of forms are no values."""
        payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        return Asked(dict(path or {}), given, payload, self.who, if_match, content_type="application/json")

    async def ask(
        self,
        operation: str,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        if_match: str | None = None,
    ) -> Any:
        """The answer of an API operation, by this visitor. Raises ApiError."""
        route = self.desk.route(operation)
        asked = self.asked(path, query, body, if_match)
        where = route.path.format(**{name: segment(value) for name, value in (path or {}).items()})
        attempt = Attempt(
            operation, route.method, where, self.desk.door.address(self.request), urlencode(asked.query), asked.body
        )
        answer = await self.desk.door.perform(route, asked, attempt)
        if isinstance(answer.document, str):
            return answer.document
        return _Answered(answer.document, answer.etag) if answer.etag else answer.document

    def render(self, template: str, status: int = 200, /, **values: Any) -> web.Response:
        """A page, or the part of one."""
        known = {
            "visit": self,
            "who": self.who,
            "may": self.may,
            "guarded": self.desk.door.keeper.guarded,
            "known": self.who is not NOBODY,
        }
        text = self.desk.text(template, {**known, **values})
        response = web.Response(text=text, content_type="text/html", status=status, headers=HEADERS)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Vary"] = "HX-Request"
        response.enable_compression()
        return response

    def acted(self, response: web.Response) -> web.Response:
        """An answer after which the part of the page that was acted on is fetched anew, and nothing typed is kept."""
        response.headers["HX-Trigger"] = "acted"
        return response

    def to_login(self) -> web.Response:
        """Send the browser to the login, and back afterwards."""
        target = f"{LOGIN}?next={quote(self.request.path_qs)}" if self.request.method == "GET" else LOGIN
        if self.partial:
            return web.Response(status=200, headers={"HX-Redirect": LOGIN, **HEADERS})
        return web.Response(status=303, headers={"Location": target, **HEADERS})

    def go(self, where: str) -> web.Response:
        """Send the browser elsewhere."""
        if self.partial:
            return web.Response(status=200, headers={"HX-Redirect": where, **HEADERS})
        return web.Response(status=303, headers={"Location": where, **HEADERS})

    def problem(self, error: ApiError) -> web.Response:
        """What went wrong, as a page, or as a part that htmx shows in the page's notice."""
        template = "notice.html" if self.partial else "problem.html"
        response = self.render(template, error.status, error=error)
        response.headers.update(error.headers)
        return response


class _Answered:
    """A document of the API with its ETag."""

    def __init__(self, document: Any, etag: str) -> None:
        self._document = document
        self.etag = etag

    def __getattr__(self, name: str) -> Any:
        return getattr(self._document, name)


def number_or_text(typed: str) -> int | str:
    """A whole number as such; what is none as it was typed, for the API to refuse by name."""
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 12 else typed
