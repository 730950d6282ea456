"""Software: what a device runs and what became of its releases, and which releases the fleet runs."""

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi
from gateway.faults import Kind, Refusal

PAST = "10"


class SoftwarePages:
    """Parts of a device's page and of the fleet's."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._console.page
        return [
            web.get("/devices/{device}/software", page(self.device)),
            web.post("/devices/{device}/software/retry", page(self.retry)),
            web.get("/releases", page(self.releases)),
        ]

    async def device(self, browser: BrowserRequest) -> web.StreamResponse:
        """What it runs and is to run, how that stands, and the states before."""
        return await self._shown(browser)

    async def retry(self, browser: BrowserRequest) -> web.StreamResponse:
        """Have it try again what it gave up."""
        try:
            await browser.ask("retryDeviceSoftware", {"device": browser.path["device"]})
        except Refusal as error:
            if error.kind is not Kind.CONFLICT:
                raise
            return await self._shown(browser, error.detail)
        return await self._shown(browser)

    async def _shown(self, browser: BrowserRequest, refused: str = "") -> web.StreamResponse:
        found = await browser.ask("getDeviceSoftware", {"device": browser.path["device"]}, {"limit": PAST})
        return browser.render("software.html", software=found, refused=refused)

    async def releases(self, browser: BrowserRequest) -> web.StreamResponse:
        """How many devices run which release, and are to run another."""
        found = await browser.ask("listReleases")
        return browser.render("releases.html", releases=found.items)
