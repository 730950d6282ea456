"""The API's documentation, interactive: Swagger UI over the gateway's own document, with nothing from elsewhere."""

from aiohttp import web

from gateway.api_route import PREFIX
from gateway.console.desk import Desk, Visit


class DocsPage:
    """GET /docs; open to everybody, as the document is. Trying things out takes a login or a token."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        return [web.get("/docs", self.docs), web.get(f"{PREFIX}/docs", self.docs)]

    async def docs(self, request: web.Request) -> web.StreamResponse:
        """The page."""
        return Visit(self._desk, request).render("docs.html", specification=f"{PREFIX}/openapi.json")
