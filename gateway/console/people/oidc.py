"""Logging in by a provider of OpenID Connect: the way there, and the way back."""

import base64
import binascii
import hmac
import secrets
from typing import Final

from aiohttp import web

from gateway.api.auth.authorization import COOKIE
from gateway.api.auth.provider import Login, Provider
from gateway.audit import Attempt
from gateway.console.assets import HEADERS
from gateway.console.browser import BrowserRequest, ConsoleApi
from gateway.console.people.login import local_target
from gateway.faults import Refusal
from gateway.oidc import OidcError, OidcSettings, name_of, role_of

BEGIN: Final = "/login/oidc"
BEGUN: Final = "wattline_oidc"
"""The cookie that binds a login to the browser which began it."""
LASTS_S: Final = 600
"""How long a person may take at the provider."""
RANDOM_BYTES: Final = 32


class OidcPages:
    """GET /login/oidc and /login/oidc/callback; nothing without a provider."""

    def __init__(self, console: ConsoleApi, settings: OidcSettings, hours: int) -> None:
        self._console = console
        self._settings = settings
        self._provider = Provider(settings)
        self._hours = hours

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        if self._settings.issuer is None:
            return []
        return [web.get(BEGIN, self.begin), web.get(f"{BEGIN}/callback", self.finish)]

    async def begin(self, request: web.Request) -> web.StreamResponse:
        """Send the browser to the provider."""
        target = local_target(request.query.get("next", "/"))
        login = Login(*(secrets.token_urlsafe(RANDOM_BYTES) for _ in range(3)))
        try:
            await self._console.auth.check_guess_limit(request, known=False)
            address = await self._provider.address(login)
        except (OidcError, Refusal) as error:
            return await self._refused(request, error, target)
        response = web.Response(status=303, headers={"Location": address, **HEADERS, "Cache-Control": "no-store"})
        # Lax, as the way back comes from another site; the session's own cookie stays Strict
        response.set_cookie(
            BEGUN, _packed(login, target), max_age=LASTS_S, path=BEGIN, httponly=True, samesite="Lax",
            secure=self._console.auth.secure(request),
        )  # fmt: skip
        return response

    async def finish(self, request: web.Request) -> web.StreamResponse:
        """Take the browser back, and open a session for whom the provider names."""
        auth, target = self._console.auth, "/"
        try:
            await auth.check_guess_limit(request, known=False)
            login, target = self._begun(request)
            claims = await self._provider.claims(self._code(request, login), login)
            name, role = name_of(claims, self._settings), role_of(claims, self._settings)
            issuer = self._settings.issuer or ""
            cookie, who = await auth.authenticator.open_person_session(name, role, issuer, claims["sub"], self._hours)
        except (OidcError, Refusal) as error:
            return await self._refused(request, error, target)
        await auth.audit.line(who, Attempt("login", "GET", f"{BEGIN}/callback", auth.address(request)), 200, "done")
        # a page and no redirect: a browser that comes from another site would not show the session's cookie yet
        page = BrowserRequest(self._console, request).render("logged_in.html", target=target)
        page.del_cookie(BEGUN, path=BEGIN)
        page.set_cookie(
            COOKIE, cookie, max_age=self._hours * 3600, path="/", httponly=True, samesite="Strict",
            secure=auth.secure(request),
        )  # fmt: skip
        return page

    @staticmethod
    def _begun(request: web.Request) -> tuple[Login, str]:
        """The login that this browser began. Raises OidcError."""
        found = _unpacked(request.cookies.get(BEGUN, ""))
        if found is None:
            raise OidcError("this login was begun in another browser, or more than 10 minutes ago; try again")
        if not hmac.compare_digest(found[0].state.encode(), request.query.get("state", "").encode(errors="replace")):
            raise OidcError("this is the end of another login; try again")
        return found

    def _code(self, request: web.Request, login: Login) -> str:
        """What the provider gave the browser for us. Raises OidcError."""
        if (said := request.query.get("iss")) is not None and said != self._settings.issuer:
            raise OidcError("another provider answers (RFC 9207)")
        if error := request.query.get("error"):
            raise OidcError(f"the provider refuses: {''.join(sign for sign in error if sign.isprintable())[:60]}")
        if not (code := request.query.get("code", "")) or not login.verifier:
            raise OidcError("the provider gave no code")
        return code

    async def _refused(self, request: web.Request, error: OidcError | Refusal, target: str) -> web.StreamResponse:
        """The login page with the reason; a failure counts as a wrong guess of its address."""
        browser, auth = BrowserRequest(self._console, request), self._console.auth
        status, reason = 401, f"The login by {self._settings.label} failed: {error}."
        if isinstance(error, Refusal):
            status, reason = self._console.problem_of(error, request).status, error.detail
        if status != 429:
            await auth.refuse(request, status, f"login by the provider: {error}")
            try:
                await auth.limit(request, None)
            except Refusal as limited:
                status, reason = 429, limited.detail
        return browser.render("login.html", status, reason=reason, user="", next=target)


def _packed(login: Login, target: str) -> str:
    return ".".join((login.state, login.nonce, login.verifier, base64.urlsafe_b64encode(target.encode()).decode()))


def _unpacked(cookie: str) -> tuple[Login, str] | None:
    match cookie.split("."):
        case [state, nonce, verifier, target] if state and nonce and verifier:
            try:
                return Login(state, nonce, verifier), local_target(base64.urlsafe_b64decode(target).decode())
            except (binascii.Error, ValueError):
                return None
    return None
