"""Unknown products: meters in groups that one spec could read, and what kept frames mean."""

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi, segment
from gateway.faults import Kind, Refusal


class UnknownPages:
    """GET /unknown and POST /decode."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._console.page
        return [
            web.get("/unknown", page(self.groups)),
            web.get("/unknown/{group}", page(self.group)),
            web.post("/decode", page(self.decode)),
        ]

    async def groups(self, browser: BrowserRequest) -> web.StreamResponse:
        """All groups, or the list in it; with a meter, its group."""
        meter = browser.request.query.get("meter")
        found = await browser.ask("listUnknown", query={"meter": meter})
        if meter and found.items:
            return browser.go(f"/unknown/{segment(found.items[0].group)}")
        template = "unknown_list.html" if browser.partial else "unknown.html"
        return browser.render(template, groups=found.items, ports=found.ports)

    async def group(self, browser: BrowserRequest) -> web.StreamResponse:
        """One group, with its meters' frames a link away."""
        found = next(
            (one for one in (await browser.ask("listUnknown")).items if one.group == browser.path["group"]), None
        )
        if found is None:
            gone = f"there is no group {browser.path['group'][:100]!r} any more: a spec may read its meters by now"
            raise Refusal(Kind.UNKNOWN, gone)
        return browser.render("group.html", group=found)

    async def decode(self, browser: BrowserRequest) -> web.StreamResponse:
        """What a frame means by the published specs."""
        found = await browser.ask("decode", body={"hex": (await browser.form()).get("hex", "")})
        return browser.render("decoded.html", decoded=found.model_dump(mode="json", exclude_none=True))
