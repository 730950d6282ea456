"""Who may pass: tokens, sessions, roles, limits and the audit stand between every request and its route."""

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from aiohttp import hdrs, web

from gateway.access import LOCAL, Doorkeeper, Principal
from gateway.api_route import PREFIX, Answer, Asked, Route
from gateway.audit import Attempt, Audit
from gateway.layers import Problem
from gateway.limits import Buckets
from gateway.metrics import Metrics
from gateway.problem import ApiError, TooManyError
from gateway.settings import GatewaySettings

log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
COOKIE: Final = "wattline"
OPEN: Final = (f"{PREFIX}/openapi.json", f"{PREFIX}/docs")
"""What needs no token below the API's prefix."""
SAFE: Final = ("GET", "HEAD", "OPTIONS")
FAILED_PER_S: Final = 1.0
FAILED_BURST: Final = 20
"""Wrong tokens from one address."""
WHO: Final = web.RequestKey("who", Principal)


class Door:
    """Recognises who asks, and lets them do what their role covers."""

    def __init__(self, keeper: Doorkeeper, audit: Audit, metrics: Metrics, settings: GatewaySettings) -> None:
        self.keeper = keeper
        self.audit = audit
        self._metrics = metrics
        self._forwarded = settings.api_forwarded
        self._buckets = Buckets(settings.api_rate_per_s, settings.api_burst)
        self._failed = Buckets(FAILED_PER_S, FAILED_BURST)
        self._told = Buckets(1 / 60, 1)

    def address(self, request: web.Request) -> str:
        """Where a request comes from; behind a proxy that is trusted, what it says."""
        if self._forwarded and (named := request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()):
            return named[:64]
        return request.remote or "unknown"

    def secure(self, request: web.Request) -> bool:
        """Whether the browser's connection is TLS, by us or by a trusted proxy."""
        return request.secure or (self._forwarded and request.headers.get("X-Forwarded-Proto") == "https")

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let only those into the API who show a token or a session, not too often, and no other site's pages."""
        if not request.path.startswith(PREFIX + "/") or request.path in OPEN:
            return await handler(request)
        who = await self.recognise(request)
        if who is None:
            shown = hdrs.AUTHORIZATION in request.headers
            await self.refuse(request, 401, "no valid token" if shown else "no token")
            reason = "this token is not known: it is mistyped, expired or revoked" if shown else "no token was sent"
            fault = Problem("Authorization", reason, "send Authorization: Bearer <token>")
            detail = f"the API asks for a valid token, and {reason}"
            raise ApiError(401, detail, [fault], {hdrs.WWW_AUTHENTICATE: "Bearer"})
        request[WHO] = who
        return await handler(request)

    async def recognise(self, request: web.Request) -> Principal | None:
        """Who asks; None for nobody known. Raises ApiError for too many requests, or for another site's page."""
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        bearer = scheme.lower() == "bearer"
        if not bearer:
            await self.own_site(request)
        if bearer:
            who = await self.keeper.by_token(token.strip())
        elif cookie := request.cookies.get(COOKIE):
            who = await self.keeper.by_session(cookie)
        else:
            who = None
        if who is None and not bearer and not self.keeper.guarded:
            who = LOCAL
        await self.limit(request, who)
        return who

    async def limit(self, request: web.Request, who: Principal | None) -> None:
        """Count a request of somebody, or of an address that shows nothing valid. Raises TooManyError."""
        caller = self.address(request) if who is None or who == LOCAL else f"token {who.token_id}"
        wait_s = (self._buckets if who else self._failed).take(caller)
        if not wait_s:
            return
        self._metrics.limited.labels("token" if who else "address").inc()
        detail = f"too many requests from {who.name if who and who != LOCAL else caller}"
        if not self._told.take(caller):
            # Once a minute: the flood itself must not become one of the audit.
            await self.refuse(request, 429, detail, who)
        raise TooManyError(detail, wait_s)

    async def refuse(self, request: web.Request, status: int, result: str, who: Principal | None = None) -> None:
        """Enter a refused attempt into the audit."""
        name = getattr(request.match_info.handler, "operation", request.match_info.handler.__name__)
        await self.audit.line(who, self._attempt(request, name), status, result)

    async def own_site(self, request: web.Request) -> None:
        """Refuse what another site's page makes a browser send. Raises ApiError."""
        host = request.headers.get(hdrs.HOST, "")
        if not self.keeper.guarded and not _is_loopback(host):
            # A name of another site that leads to this machine (DNS rebinding) must not open a gateway without a token.
            await self._foreign(
                request, "Host", f"{host[:100]!r} is no loopback address", "set a token to serve others"
            )
        if request.method in SAFE:
            return
        origin, site = request.headers.get(hdrs.ORIGIN), request.headers.get("Sec-Fetch-Site")
        if site is not None:
            # Browsers send it over TLS and to loopback; it holds behind a proxy that changes the Host too.
            if site not in ("same-origin", "none"):
                await self._foreign(request, "Sec-Fetch-Site", "this comes from a page of another site", "use a token")
        elif origin is not None and urlsplit(origin).netloc != host:
            await self._foreign(request, "Origin", f"{origin[:100]!r} is another site", "use a token")

    async def _foreign(self, request: web.Request, field: str, reason: str, fix: str) -> None:
        await self.refuse(request, 403, f"{field}: {reason}")
        raise ApiError(403, f"{field}: {reason}; {fix}", [Problem(field, reason, fix)])

    def serve(self, route: Route) -> Handler:
        """What aiohttp calls for a route of the API."""

        async def handle(request: web.Request) -> web.StreamResponse:
            who = request[WHO]
            if route.stream is not None:
                call = await self._admitted(route, Asked.of(request, b"", who), self._attempt(request, route.name))
                return await route.stream(call, request)
            try:
                body = await request.read() if route.body is not None else b""
            except web.HTTPRequestEntityTooLarge:
                await self.refuse(request, 413, "the body is too large", who)
                raise
            asked = Asked.of(request, body, who)
            answer = await self.perform(route, asked, self._attempt(request, route.name, body))
            return await route.respond(request, answer)

        handle.operation = route.name  # type: ignore[attr-defined]
        return handle

    async def perform(self, route: Route, asked: Asked, attempt: Attempt) -> Answer:
        """Do what is asked, if the role covers it; a change is audited whatever comes of it. Raises ApiError."""
        try:
            call = await self._admitted(route, asked, attempt)
            answer = await route.handler(call)
        except asyncio.CancelledError:
            if route.changes:
                await asyncio.shield(self.audit.line(asked.who, attempt, 499, "the caller left before the answer"))
            raise
        except ApiError as error:
            if route.changes and error.status != 403:
                await self.audit.line(asked.who, attempt, error.status, error.detail)
            raise
        except Exception as error:
            if route.changes:
                await self.audit.line(asked.who, attempt, 500, f"{type(error).__name__}: {error}")
            raise
        if route.changes:
            await self.audit.line(asked.who, attempt, 200, "done")
        return answer

    async def _admitted(self, route: Route, asked: Asked, attempt: Attempt) -> Any:
        """The valid call. Raises ApiError, 403 where the role is not enough."""
        if not asked.who.role.covers(route.needs):
            reason = f"{asked.who.name} is {asked.who.role}; {route.name} needs {route.needs}"
            await self.audit.line(asked.who, attempt, 403, reason)
            fault = Problem("Authorization", reason, f"use a token with the role {route.needs}")
            raise ApiError(403, reason, [fault])
        return route.validated(asked)

    def _attempt(self, request: web.Request, action: str, body: bytes = b"") -> Attempt:
        return Attempt(action, request.method, request.path, self.address(request), request.query_string, body)


def _is_loopback(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or not host:
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
