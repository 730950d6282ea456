"""Labels of a device: by them it comes into groups and audiences."""

from typing import Any

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi
from gateway.faults import Kind, Refusal

VALUE = "value-"


class LabelPages:
    """GET and POST /devices/{device}/labels."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        path = "/devices/{device}/labels"
        return [web.get(path, self._console.page(self.show)), web.post(path, self._console.page(self.change))]

    async def show(self, browser: BrowserRequest) -> web.StreamResponse:
        """The labels, the facts beside them, and the groups that it is in by both."""
        return await self._shown(browser)

    async def change(self, browser: BrowserRequest) -> web.StreamResponse:
        """Set what was typed, if nobody has changed the labels meanwhile; an empty value takes one away."""
        form = await browser.form()
        patch: dict[str, Any] = {
            name.removeprefix(VALUE): text.strip() or None for name, text in form.items() if name.startswith(VALUE)
        }
        if name := form.get("name", "").strip():
            patch[name] = form.get("value", "").strip()
        try:
            query = {"reason": form.get("reason")}
            await browser.ask("patchLabels", self._path(browser), query, patch, if_match=form.get("etag"))
        except Refusal as error:
            if error.kind not in (Kind.CONFLICT, Kind.STALE, Kind.INVALID):
                raise
            return await self._shown(browser, form, error.detail)
        return await self._shown(browser)

    async def _shown(
        self, browser: BrowserRequest, form: dict[str, str] | None = None, refused: str = ""
    ) -> web.StreamResponse:
        found = await browser.ask("getLabels", self._path(browser))
        parameters = await browser.ask("getDeviceParameters", self._path(browser))
        etag = form["etag"] if form and "etag" in form else found.etag
        return browser.render(
            "labels.html", found=found, groups=parameters.groups, form=form or {}, refused=refused, etag=etag
        )

    @staticmethod
    def _path(browser: BrowserRequest) -> dict[str, str]:
        return {"device": browser.path["device"]}
