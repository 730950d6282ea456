"""What every page of the console works with: who asks, the API's operations, and templates."""

import contextlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlencode

import jinja2
import structlog
from aiohttp import hdrs, web

from broker.contract.obis import name_of
from broker.contract.parameters import value_text
from broker.wording import counted
from gateway.api.app import Api, Handler, problem_of
from gateway.api.auth.authorization import in_time
from gateway.api.problem import Problem, failed
from gateway.api.route import PREFIX, ApiRequest, Route
from gateway.audit import Attempt
from gateway.console.assets import HEADERS, address
from gateway.desired.state_text import at_length
from gateway.faults import Refusal
from gateway.principals import Principal
from gateway.roles import Role
from gateway.wording import when
from store.errors import DATABASE_ERRORS

log = structlog.get_logger()
LOGIN: Final = "/login"
NOBODY: Final = Principal("-", Role.VIEWER)
Page = Callable[["BrowserRequest"], Awaitable[web.StreamResponse]]


def segment(text: str) -> str:
    """Text as one part of a path."""
    return quote(text, safe="")


def is_browser(request: web.Request) -> bool:
    """Whether a page is wanted; what asks the API wants the API's own answers."""
    return "text/html" in request.headers.get(hdrs.ACCEPT, "") and not request.path.startswith(PREFIX)


def _state_text(device: Any) -> str:
    """How a device's configuration is, in words."""
    return at_length(device.config_state, device.reported.model_dump() if device.reported else None)


@cache
def templates() -> jinja2.Environment:
    """The templates, with the filters that they use."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gateway.console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        # trim_blocks and lstrip_blocks stay off: together they glue the attributes of a tag that spans lines
    )
    environment.filters["segment"] = segment
    environment.filters["ident"] = lambda text: re.sub(r"[^A-Za-z0-9-]", lambda found: f"_{ord(found[0]):x}_", text)
    environment.filters["value"] = value_text
    environment.filters["obis"] = name_of
    environment.filters["state_text"] = _state_text
    environment.filters["pretty"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str)
    environment.filters["when"] = when
    environment.filters["counted"] = counted
    environment.filters["iso"] = datetime.isoformat
    environment.globals["asset"] = address
    return environment


class ConsoleApi:
    """Pages call the API's operations here, with the same roles, checks and audit as over HTTP."""

    def __init__(self, api: Api, provider: str | None = None) -> None:
        self.auth = api.auth
        self.provider = provider
        """What the login page calls the provider by which people log in; None without one."""
        self._routes = {route.name: route for route in api.table}
        self._templates = templates()

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
        """Whatever goes wrong outside of a page's own handler is a page for a browser all the same."""
        try:
            return await handler(request)
        except Exception as error:
            if not is_browser(request) or (isinstance(error, web.HTTPException) and error.status < 400):
                raise
            found = self.problem_of(error, request)
            if isinstance(error, web.HTTPNotFound):
                found = Problem(404, f"There is no page {request.path[:200]}.")
            browser = BrowserRequest(self, request)
            # without the database nobody is recognised, and the page must come all the same
            with contextlib.suppress(Refusal, *DATABASE_ERRORS):
                browser.who = await self.auth.recognise(request) or browser.who
            return browser.problem(found)

    @staticmethod
    def problem_of(error: Exception, request: web.Request) -> Problem:
        """What to tell a browser of an error; one that nobody explains is logged, and said to be."""
        found = problem_of(error, request)
        if found is None:
            log.error("page_failed", path=request.path, exc_info=error)
            found = failed()
        return found

    def page(self, handler: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """What aiohttp calls: only for who is logged in, and every error is a page too."""

        async def serve(request: web.Request) -> web.StreamResponse:
            browser = BrowserRequest(self, request)
            try:
                who = await self.auth.recognise(request)
                if who is None:
                    return browser.to_login()
                browser.who = who
                return await handler(browser)
            except Exception as error:
                if isinstance(error, web.HTTPException) and error.status < 400:
                    raise
                return browser.problem(self.problem_of(error, request))

        serve.__name__ = f"console.{handler.__name__}"
        return serve


class BrowserRequest:
    """One request of a browser."""

    def __init__(self, console: ConsoleApi, request: web.Request) -> None:
        self.console = console
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
        return {name: value for name, value in (await in_time(self.request.post())).items() if isinstance(value, str)}

    def may(self, operation: str) -> bool:
        """Whether the browser's role covers an operation that the API has."""
        return self.console.offers(operation) and self.who.role.covers(self.console.route(operation).needs)

    def asked(
        self,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        if_match: str | None = None,
    ) -> ApiRequest:
        """A request to the API by this browser; empty fields of forms are no values."""
        payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        return ApiRequest(dict(path or {}), given, payload, self.who, if_match, content_type="application/json")

    async def ask(
        self,
        operation: str,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        if_match: str | None = None,
    ) -> Any:
        """The answer of an API operation, by this browser. Raises Refusal."""
        route = self.console.route(operation)
        asked = self.asked(path, query, body, if_match)
        where = route.path.format(**{name: segment(value) for name, value in (path or {}).items()})
        attempt = Attempt(
            operation, route.method, where, self.console.auth.address(self.request), urlencode(asked.query),
            b"" if route.secret else asked.body,
        )  # fmt: skip
        answer = await self.console.auth.perform(route, asked, attempt)
        if isinstance(answer.document, str):
            return answer.document
        return _Answered(answer.document, answer.etag) if answer.etag else answer.document

    def render(self, template: str, status: int = 200, /, **values: Any) -> web.Response:
        """A page, or the part of one."""
        known = {
            "browser": self,
            "who": self.who,
            "may": self.may,
            "guarded": self.console.auth.authenticator.guarded,
            "known": self.who is not NOBODY,
            "provider": self.console.provider,
        }
        text = self.console.text(template, {**known, **values})
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

    def problem(self, error: Problem) -> web.Response:
        """What went wrong, as a page, or as a part that htmx shows in the page's notice."""
        template = "notice.html" if self.partial else "problem.html"
        again = self.request.path_qs if self.request.method == "GET" else None
        response = self.render(template, error.status, error=error, title=error.title, again=again)
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
