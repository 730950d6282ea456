"""The API's documentation, interactive: Swagger UI over the gateway's own document, with nothing from elsewhere."""

from aiohttp import web

from gateway.api.route import PREFIX
from gateway.console.browser import BrowserRequest, ConsoleApi


class DocsPage:
    """GET /docs; open to everybody, as the document is. Trying things out takes a login or a token."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        return [web.get("/docs", self.docs), web.get(f"{PREFIX}/docs", self.docs)]

    async def docs(self, request: web.Request) -> web.StreamResponse:
        """The page."""
        return BrowserRequest(self._console, request).render("docs.html", specification=f"{PREFIX}/openapi.json")
