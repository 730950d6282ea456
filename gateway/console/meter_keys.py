"""The keys and the password of a meter: whether it has any, and a form that sets them, shown to nobody again."""

from typing import Any

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi
from gateway.console.device import secret_words
from gateway.faults import Kind, Refusal

FIELDS = ("encryption", "authentication", "password")


class KeyPages:
    """GET and POST /meters/{meter}/key."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._console.page
        return [
            web.get("/meters/{meter}/key", page(self.show)),
            web.post("/meters/{meter}/key", page(self.put)),
            web.post("/meters/{meter}/key/remove", page(self.remove)),
            web.post("/meters/{meter}/key/release", page(self.release)),
        ]

    async def show(self, browser: BrowserRequest) -> web.StreamResponse:
        """The whole page."""
        return await self._shown(browser, "meter_key.html")

    async def put(self, browser: BrowserRequest) -> web.StreamResponse:
        """Set what was typed in the place of all before."""
        form = await browser.form()
        body = {name: form[name] for name in FIELDS if form.get(name, "").strip()}
        return await self._done(browser, "putMeterKey", body)

    async def remove(self, browser: BrowserRequest) -> web.StreamResponse:
        """Forget the key."""
        return await self._done(browser, "deleteMeterKey")

    async def release(self, browser: BrowserRequest) -> web.StreamResponse:
        """Let the device have it at whose port the meter stands now."""
        return await self._done(browser, "releaseMeterKey")

    async def _done(
        self, browser: BrowserRequest, operation: str, body: dict[str, str] | None = None
    ) -> web.StreamResponse:
        refused = ""
        try:
            await browser.ask(operation, {"meter": browser.path["meter"]}, body=body)
        except Refusal as error:
            if error.kind not in (Kind.CONFLICT, Kind.INVALID):
                raise
            refused = error.detail
        return await self._shown(browser, "meter_key_part.html", refused)

    @staticmethod
    async def _shown(browser: BrowserRequest, template: str, refused: str = "") -> web.StreamResponse:
        path = {"meter": browser.path["meter"]}
        meter: Any = await browser.ask("getMeter", path)
        try:
            key: Any = await browser.ask("getMeterKey", path)
        except Refusal as error:
            if error.kind is not Kind.UNKNOWN:
                raise
            key = None
        # of a meter whose spec says nothing of secrets a person knows better
        fields = meter.secrets or FIELDS
        said, words = meter.facts.get("key_state", ""), secret_words(fields)
        return browser.render(template, meter=meter, key=key, said=said, refused=refused, fields=fields, words=words)
