"""The fleet: every device with its state, meters, specs, and whether it has what is desired."""

from typing import Any

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi

FILTERS = ("q", "selector", "online", "in_step", "sort", "descending", "cursor")
PAGE, MOST = 100, 1000


class FleetPages:
    """GET / and the rows in it."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        return [
            web.get("/", self._console.page(self.fleet)),
            web.get("/devices/{device}/row", self._console.page(self.row)),
        ]

    async def fleet(self, browser: BrowserRequest) -> web.StreamResponse:
        """The list, or for htmx the rows alone."""
        asked: dict[str, Any] = {name: browser.request.query.get(name, "") for name in FILTERS}
        limit = _shown(browser.request.query.get("shown", ""))
        found = await browser.ask("listDevices", query={**asked, "limit": str(limit)})
        template = "fleet.html"
        if browser.partial:
            template = "fleet_rows.html" if asked["cursor"] else "fleet_list.html"
        return browser.render(template, page=found, asked=asked)

    async def row(self, browser: BrowserRequest) -> web.StreamResponse:
        """One device's row, after something changed about it."""
        found = await browser.ask("getDevice", {"device": browser.path["device"]})
        return browser.render("fleet_row.html", device=found)


def _shown(text: str) -> int:
    """How many rows to fetch: where a list is fetched anew no fewer than it shows already."""
    return max(PAGE, min(int(text), MOST)) if text.isascii() and text.isdecimal() and len(text) < 6 else PAGE
