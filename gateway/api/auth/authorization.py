"""Who may pass: tokens, sessions, roles, limits and the audit stand between every request and its route."""

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import structlog
from aiohttp import hdrs, web

from broker.proxies import Proxies
from broker.runtime.http_bounds import party
from gateway.api.auth.rate_limits import Excess, RateLimits
from gateway.api.auth.tokens import Authenticator
from gateway.api.problem import status_of
from gateway.api.route import PREFIX, Answer, ApiRequest, Route
from gateway.audit import Attempt, Audit
from gateway.faults import Fault, Kind, Refusal, forbidden, too_many
from gateway.metrics import Metrics
from gateway.principals import LOCAL, Principal
from gateway.roles import role_refusal
from gateway.settings import GatewaySettings

log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")
COOKIE: Final = "wattline"
METRICS: Final = "/metrics"
OPEN: Final = (f"{PREFIX}/openapi.json", f"{PREFIX}/asyncapi.json", f"{PREFIX}/docs")
"""What needs no token below the API's prefix."""
SAFE: Final = ("GET", "HEAD", "OPTIONS")
HSTS_S: Final = 365 * 86400
BODY_S: Final = 120.0
"""How long a client may take to send what a request holds: a megabyte on a slow line, and no line kept for nothing."""
WHO: Final = web.RequestKey("who", Principal)


class Authorization:
    """Recognises who asks, and lets them do what their role covers."""

    def __init__(self, authenticator: Authenticator, audit: Audit, metrics: Metrics, settings: GatewaySettings) -> None:
        self.authenticator = authenticator
        self.audit = audit
        self._metrics = metrics
        self._proxies = Proxies(settings.proxies)
        self._limits = RateLimits(settings.api_rate_per_s, settings.api_burst)

    def address(self, request: web.Request) -> str:
        """Where a request comes from; behind a proxy that is trusted, what it says."""
        return self._proxies.client(request.remote or "unknown", request.headers.getall("X-Forwarded-For", ()))

    def secure(self, request: web.Request) -> bool:
        """Whether the browser's connection is TLS, by us or by a trusted proxy."""
        told = request.headers.get("X-Forwarded-Proto") == "https"
        return request.secure or (told and self._proxies.trusts(request.remote or ""))

    async def lasting(self, request: web.Request, response: web.StreamResponse) -> None:
        """Over TLS, have browsers never come in plain again (RFC 6797), whoever redirects them."""
        if self.secure(request):
            response.headers["Strict-Transport-Security"] = f"max-age={HSTS_S}"

    @staticmethod
    def _is_here(request: web.Request) -> bool:
        """Whether a request was made on this host, and by no proxy."""
        proxied = any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "Via"))
        return not proxied and ip_address(request.remote or "0.0.0.0").is_loopback

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let only those into the API who show a token or a session, not too often, and no other site's pages.

        Metrics are for this host, and for who shows a token.
        """
        if request.path == METRICS:
            guarded = self.authenticator.guarded and not self._is_here(request)
        else:
            guarded = request.path.startswith(PREFIX + "/") and request.path not in OPEN
        if not guarded:
            return await handler(request)
        who = await self.recognise(request)
        if who is None:
            shown = hdrs.AUTHORIZATION in request.headers
            await self.refuse(request, 401, "no valid token" if shown else "no token")
            reason = "this token is not known: it is mistyped, expired or revoked" if shown else "no token was sent"
            fault = Fault("Authorization", reason, "send Authorization: Bearer <token>")
            detail = f"the API asks for a valid token, and {reason}"
            raise Refusal(Kind.UNIDENTIFIED, detail, [fault])
        request[WHO] = who
        return await handler(request)

    async def recognise(self, request: web.Request) -> Principal | None:
        """Who asks; None for nobody known. Raises Refusal for too many requests, or for another site's page."""
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        bearer = scheme.lower() == "bearer"
        if not bearer:
            await self.own_site(request)
        who = None
        if bearer:
            await self.check_guess_limit(request, self.authenticator.knows_token(token.strip()))
            who = await self.authenticator.by_token(token.strip())
        elif cookie := request.cookies.get(COOKIE):
            await self.check_guess_limit(request, self.authenticator.knows_session(cookie))
            who = await self.authenticator.by_session(cookie)
        if who is None and not bearer and not self.authenticator.guarded:
            who = LOCAL
        await self.limit(request, who)
        return who

    async def check_guess_limit(self, request: web.Request, known: bool) -> None:
        """Judge no guess of an address that has guessed wrong too often; what was valid before is none.

        Raises Refusal: too many.
        """
        if not known:
            await self._refuse_excess(request, self._limits.check_guess(self._place(request)))

    async def judge(self, request: web.Request, user: str, guess: Callable[[], Awaitable[T | None]]) -> T | None:
        """What a user's password opens, or a token where no user is named; None for a wrong one.

        Raises Refusal, too many, without judging it, where the place or the user was guessed at too often.
        """
        place, wrong = self._place(request), False
        await self._refuse_excess(request, self._limits.take_guess(place, user))
        try:
            opened = await guess()
            wrong = opened is None
        finally:
            if not wrong:
                self._limits.give_guess_back(place, user)
        if user and not wrong:
            self._limits.note_login(place, user)
        return opened

    async def limit(self, request: web.Request, who: Principal | None) -> None:
        """Count a request of somebody, or of an address that shows nothing valid. Raises Refusal: too many."""
        await self._refuse_excess(request, self._limits.count(self._place(request), who), who)

    async def _refuse_excess(self, request: web.Request, excess: Excess | None, who: Principal | None = None) -> None:
        if excess is None:
            return
        self._metrics.limited.labels(excess.by).inc()
        if self._limits.is_audited(excess):
            await self.refuse(request, 429, excess.detail, who)
        raise too_many(excess.detail, excess.wait_s)

    def _place(self, request: web.Request) -> str:
        return party(self.address(request))

    async def refuse(self, request: web.Request, status: int, result: str, who: Principal | None = None) -> None:
        """Enter a refused attempt into the audit."""
        name = getattr(request.match_info.handler, "operation", request.match_info.handler.__name__)
        await self.audit.line(who, self._attempt(request, name), status, result)

    async def own_site(self, request: web.Request) -> None:
        """Refuse what another site's page makes a browser send. Raises Refusal."""
        host = request.headers.get(hdrs.HOST, "")
        if not self.authenticator.guarded and not _is_loopback(host):
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
        raise forbidden(field, reason, fix)

    def serve(self, route: Route) -> Handler:
        """What aiohttp calls for a route of the API."""

        async def handle(request: web.Request) -> web.StreamResponse:
            who = request[WHO]
            if route.stream is not None:
                attempt = self._attempt(request, route.name)
                call = await self._admitted(route, ApiRequest.of(request, b"", who), attempt)
                return await self._entered(route, who, attempt, route.stream(call, request))
            try:
                body = await in_time(request.read()) if route.body is not None else b""
            except web.HTTPRequestEntityTooLarge:
                await self.refuse(request, 413, "the body is too large", who)
                raise
            asked = ApiRequest.of(request, body, who)
            answer = await self.perform(route, asked, self._attempt(request, route.name, b"" if route.secret else body))
            return await route.respond(request, answer)

        handle.operation = route.name  # type: ignore[attr-defined]
        return handle

    async def perform(self, route: Route, asked: ApiRequest, attempt: Attempt) -> Answer:
        """Do what is asked, if the role covers it; a change is audited whatever comes of it. Raises Refusal."""

        async def doing() -> Answer:
            return await route.handler(await self._admitted(route, asked, attempt))

        return await self._entered(route, asked.who, attempt, doing())

    async def _entered(self, route: Route, who: Principal, attempt: Attempt, doing: Awaitable[T]) -> T:
        """What comes of an attempt, entered in the audit where the route is one of a change."""
        try:
            answer = await doing
        except asyncio.CancelledError:
            if route.changes:
                await asyncio.shield(self.audit.line(who, attempt, 499, "the caller left before the answer"))
            raise
        except Refusal as error:
            if route.changes and error.kind is not Kind.FORBIDDEN:
                await self.audit.line(who, attempt, status_of(error), error.detail)
            raise
        except Exception as error:
            if route.changes:
                await self.audit.line(who, attempt, status_of(error), f"{type(error).__name__}: {error}")
            raise
        if route.changes:
            await self.audit.line(who, attempt, 200, "done")
        return answer

    async def _admitted(self, route: Route, asked: ApiRequest, attempt: Attempt) -> Any:
        """The valid call. Raises Refusal, forbidden where the role is not enough."""
        if not asked.who.role.covers(route.needs):
            refusal = role_refusal(asked.who.name, asked.who.role, route.needs, route.deed)
            await self.audit.line(asked.who, attempt, 403, refusal.faults[0].reason)
            raise refusal
        return route.validated(asked)

    def _attempt(self, request: web.Request, action: str, body: bytes = b"") -> Attempt:
        return Attempt(action, request.method, request.path, self.address(request), request.query_string, body)


async def in_time(body: Awaitable[T]) -> T:
    """What a client sends. Raises HTTPRequestTimeout where it takes too long over it."""
    try:
        async with asyncio.timeout(BODY_S):
            return await body
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error


def _is_loopback(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or not host:
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
