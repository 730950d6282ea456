"""Logging in: a token is exchanged for a cookie that scripts can't read and other sites can't send."""

from aiohttp import web

from gateway.audit import Attempt
from gateway.console.assets import HEADERS
from gateway.console.desk import LOGIN, Desk, Visit
from gateway.database import DATABASE_ERRORS
from gateway.door import COOKIE
from gateway.problem import ApiError


class LoginPages:
    """GET and POST /login, POST /logout."""

    def __init__(self, desk: Desk, hours: int) -> None:
        self._desk = desk
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
        return Visit(self._desk, request).render("login.html", reason="", next=_local(request.query.get("next", "/")))

    async def enter(self, request: web.Request) -> web.StreamResponse:
        """Exchange a token for a session."""
        visit, door = Visit(self._desk, request), self._desk.door
        given = await visit.form()
        try:
            await door.own_site(request)
            opened = await door.keeper.open_session(given.get("token", "").strip(), self._hours)
            if opened is None:
                await door.limit(request, None)
                await door.refuse(request, 401, "login with no valid token")
                reason = "This token is not valid: it may be mistyped, revoked or expired."
                return visit.render("login.html", 401, reason=reason, next=_local(given.get("next", "/")))
        except (ApiError, *DATABASE_ERRORS) as error:
            found = self._desk.problem_of(error, request)
            away = found.status == 503
            reason = "Tokens can't be checked: " + found.detail if away else found.detail
            page = visit.render("login.html", found.status, reason=reason, next=_local(given.get("next", "/")))
            page.headers.update(found.headers)
            return page
        cookie, who = opened
        await door.audit.line(who, Attempt("login", "POST", LOGIN, door.address(request)), 200, "done")
        response = web.Response(status=303, headers={"Location": _local(given.get("next", "/")), **HEADERS})
        response.set_cookie(
            COOKIE, cookie, max_age=self._hours * 3600, path="/", httponly=True, samesite="Strict",
            secure=door.secure(request),
        )  # fmt: skip
        return response

    async def leave(self, request: web.Request) -> web.StreamResponse:
        """End the session."""
        await self._desk.door.own_site(request)
        if cookie := request.cookies.get(COOKIE):
            await self._desk.door.keeper.close_session(cookie)
        response = web.Response(status=303, headers={"Location": LOGIN, **HEADERS})
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict", secure=self._desk.door.secure(request))
        return response


def _local(target: str) -> str:
    """A path of this gateway; anything else becomes the first page."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\")) and "\n" not in target else "/"
