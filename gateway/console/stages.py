"""Staged changes: how far each is, how devices took it, and the buttons that hold it, go on, or take it back."""

from typing import Final

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi
from gateway.faults import Kind, Refusal

ACTIONS: Final = {"pause": "pauseStage", "resume": "resumeStage", "abort": "abortStage"}
OPEN: Final = ("running", "paused")


class StagePages:
    """GET /stages and one of them."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._console.page
        return [
            web.get("/stages", page(self.stages)),
            web.get("/stages/{stage}", page(self.stage)),
            web.get("/stages/{stage}/devices", page(self.devices)),
            web.post("/stages/{stage}/{action}", page(self.act)),
        ]

    async def stages(self, browser: BrowserRequest) -> web.StreamResponse:
        """The newest, or the rows alone."""
        asked = {name: browser.request.query.get(name, "") for name in ("state", "cursor")}
        found = await browser.ask("listStages", query={**asked, "limit": "50"})
        template = "stages.html"
        if browser.partial:
            template = "stages_rows.html" if asked["cursor"] else "stages_list.html"
        return browser.render(template, stages=found, asked=asked)

    async def stage(self, browser: BrowserRequest) -> web.StreamResponse:
        """One, with its devices."""
        return await self._one(browser)

    async def devices(self, browser: BrowserRequest) -> web.StreamResponse:
        """More of its devices."""
        return browser.render("stage_devices.html", stage=browser.path["stage"], devices=await self._devices(browser))

    async def act(self, browser: BrowserRequest) -> web.StreamResponse:
        """Hold it, go on, or take it back."""
        operation = ACTIONS.get(browser.path["action"])
        if operation is None:
            raise web.HTTPNotFound
        refused = ""
        try:
            await browser.ask(operation, self._path(browser), {"reason": (await browser.form()).get("reason")})
        except Refusal as error:
            if error.kind is not Kind.CONFLICT:
                raise
            refused = error.detail
        return await self._one(browser, refused)

    async def _one(self, browser: BrowserRequest, refused: str = "") -> web.StreamResponse:
        stage = await browser.ask("getStage", self._path(browser))
        template = "stage_part.html" if browser.partial else "stage.html"
        devices = await self._devices(browser)
        return browser.render(template, stage=stage, devices=devices, refused=refused, open=stage.state in OPEN)

    async def _devices(self, browser: BrowserRequest) -> object:
        asked = {"cursor": browser.request.query.get("cursor"), "limit": "100"}
        return await browser.ask("listStageDevices", self._path(browser), asked)

    @staticmethod
    def _path(browser: BrowserRequest) -> dict[str, str]:
        return {"stage": browser.path["stage"]}
