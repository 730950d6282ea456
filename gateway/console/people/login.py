"""Logging in: a password or a token is exchanged for a cookie that scripts can't read and other sites can't send."""

import re
from typing import Final

from aiohttp import web

from broker.patterns import is_name
from gateway.api.auth.authorization import COOKIE
from gateway.audit import Attempt
from gateway.console.assets import HEADERS
from gateway.console.browser import LOGIN, BrowserRequest, ConsoleApi
from gateway.faults import Refusal
from gateway.principals import Principal
from store.errors import DATABASE_ERRORS

WRONG: Final = {
    False: "This token is not valid: it may be mistyped, revoked or expired. With a password, give your user name too.",
    True: "This user name and password don't belong together.",
}
"""What is said of a login that fails, by whether it named a user."""


class LoginPages:
    """GET and POST /login, POST /logout."""

    def __init__(self, console: ConsoleApi, hours: int) -> None:
        self._console = console
        self._hours = hours

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        return [
            web.get(LOGIN, self.form),
            web.post(LOGIN, self.enter),
            web.post("/logout", self.leave),
        ]

    async def form(self, request: web.Request) -> web.StreamResponse:
        """The form."""
        return BrowserRequest(self._console, request).render(
            "login.html", reason="", user="", next=local_target(request.query.get("next", "/"))
        )

    async def _opened(self, given: dict[str, str]) -> tuple[str, Principal] | None:
        """A session for who logs in by name and password, or by a token alone; None for nobody."""
        auth, name = self._console.auth.authenticator, given.get("user", "").strip()
        if not name:
            return await auth.open_session(given.get("token", "").strip(), self._hours)
        return await auth.open_user_session(name, given.get("token", ""), self._hours) if is_name(name) else None

    async def enter(self, request: web.Request) -> web.StreamResponse:
        """Exchange a password or a token for a session."""
        browser, auth = BrowserRequest(self._console, request), self._console.auth
        given = await browser.form()
        try:
            await auth.own_site(request)
            user = given.get("user", "").strip()
            # nobody is called by what is no name, and it is not remembered, however long it is
            opened = await auth.judge(request, user if is_name(user) else "", lambda: self._opened(given))
            if opened is None:
                await auth.refuse(
                    request, 401, f"login as {user[:64]}: refused" if user else "login with no valid token"
                )
                return browser.render("login.html", 401, reason=WRONG[bool(user)], **_again(given))
        except (Refusal, *DATABASE_ERRORS) as error:
            found = self._console.problem_of(error, request)
            away = found.status == 503
            reason = "Nobody can be recognised: " + found.detail if away else found.detail
            page = browser.render("login.html", found.status, reason=reason, **_again(given))
            page.headers.update(found.headers)
            return page
        cookie, who = opened
        await auth.audit.line(who, Attempt("login", "POST", LOGIN, auth.address(request)), 200, "done")
        response = web.Response(status=303, headers={"Location": local_target(given.get("next", "/")), **HEADERS})
        response.set_cookie(
            COOKIE, cookie, max_age=self._hours * 3600, path="/", httponly=True, samesite="Strict",
            secure=auth.secure(request),
        )  # fmt: skip
        return response

    async def leave(self, request: web.Request) -> web.StreamResponse:
        """End the session."""
        await self._console.auth.own_site(request)
        if cookie := request.cookies.get(COOKIE):
            await self._console.auth.authenticator.close_session(cookie)
        response = web.Response(status=303, headers={"Location": LOGIN, **HEADERS})
        response.del_cookie(
            COOKIE, path="/", httponly=True, samesite="Strict", secure=self._console.auth.secure(request)
        )
        return response


def _again(given: dict[str, str]) -> dict[str, str]:
    """What the form is filled with after a login that failed; never the secret."""
    return {"user": given.get("user", "").strip()[:64], "next": local_target(given.get("next", "/"))}


def local_target(target: str) -> str:
    """A path of this gateway; anything else becomes the first page."""
    # browsers drop tabs and line ends, and read \\ as /: what would then begin with // is another host
    return target if re.fullmatch(r"/(?![/\\])[^\x00-\x20\\\x7f]*", target) else "/"
