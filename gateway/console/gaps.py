"""Gaps of a device, and the one click by which the meter's memory is read."""

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi
from gateway.faults import Kind, Refusal


class GapPages:
    """GET and POST /devices/{device}/gaps."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        path = "/devices/{device}/gaps"
        return [web.get(path, self._console.page(self.show)), web.post(path, self._console.page(self.read))]

    async def show(self, browser: BrowserRequest) -> web.StreamResponse:
        """The gaps of the last week."""
        return await self._shown(browser)

    async def read(self, browser: BrowserRequest) -> web.StreamResponse:
        """Have one read from the meter's memory; the command's result is among the device's commands."""
        form, device = await browser.form(), browser.path["device"]
        arguments = {name: form.get(name, "") for name in ("meter", "from", "to")}
        try:
            await browser.ask(
                "giveCommand", {"device": device, "command": "read_profile"}, {"reason": "a gap"}, arguments
            )
        except Refusal as error:
            if error.kind not in (Kind.CONFLICT, Kind.INVALID):
                raise
            said = "; ".join(f"{fault.field}: {fault.reason}" for fault in error.faults)
            return await self._shown(browser, refused=said or error.detail)
        return await self._shown(browser, asked=arguments["meter"])

    async def _shown(self, browser: BrowserRequest, *, refused: str = "", asked: str = "") -> web.StreamResponse:
        device = browser.path["device"]
        found = await browser.ask("listGaps", {"device": device})
        return browser.render("gaps.html", device=device, gaps=found.items, refused=refused, asked=asked)
