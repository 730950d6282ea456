"""Who one is, and one's own password."""

from aiohttp import web

from gateway.console.browser import LOGIN, BrowserRequest, ConsoleApi
from gateway.faults import Kind, Refusal


class OwnPages:
    """GET /me, POST /me/password."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._console.page
        return [web.get("/me", page(self.me)), web.post("/me/password", page(self.change))]

    async def me(self, browser: BrowserRequest) -> web.StreamResponse:
        """Name and role, and the form."""
        return browser.render("me.html", error=None)

    async def change(self, browser: BrowserRequest) -> web.StreamResponse:
        """Change the password; the next page is the login."""
        form = await browser.form()
        try:
            await browser.ask("changeOwnPassword", body={"old": form.get("old", ""), "new": form.get("new", "")})
        except Refusal as error:
            if error.kind not in (Kind.CONFLICT, Kind.INVALID, Kind.TOO_MANY):
                raise
            return browser.render("me.html", 422, error=error)
        return browser.go(LOGIN)
