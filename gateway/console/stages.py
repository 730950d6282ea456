"""Staged changes: how far each is, how devices took it, and the buttons that hold it, go on, or take it back."""

from typing import Final

from aiohttp import web

from gateway.console.desk import Desk, Visit
from gateway.problem import ApiError

ACTIONS: Final = {"pause": "pauseStage", "resume": "resumeStage", "abort": "abortStage"}
OPEN: Final = ("running", "paused")


class StagePages:
    """GET /stages and one of them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._desk.page
        return [
            web.get("/stages", page(self.stages)),
            web.get("/stages/{stage}", page(self.stage)),
            web.get("/stages/{stage}/devices", page(self.devices)),
            web.post("/stages/{stage}/{action}", page(self.act)),
        ]

    async def stages(self, visit: Visit) -> web.StreamResponse:
        """The newest, or the rows alone."""
        asked = {name: visit.request.query.get(name, "") for name in ("state", "cursor")}
        found = await visit.ask("listStages", query={**asked, "limit": "50"})
        template = "stages.html"
        if visit.partial:
            template = "stages_rows.html" if asked["cursor"] else "stages_list.html"
        return visit.render(template, stages=found, asked=asked)

    async def stage(self, visit: Visit) -> web.StreamResponse:
        """One, with its devices."""
        return await self._one(visit)

    async def devices(self, visit: Visit) -> web.StreamResponse:
        """More of its devices."""
        return visit.render("stage_devices.html", stage=visit.path["stage"], devices=await self._devices(visit))

    async def act(self, visit: Visit) -> web.StreamResponse:
        """Hold it, go on, or take it back."""
        operation = ACTIONS.get(visit.path["action"])
        if operation is None:
            raise web.HTTPNotFound
        refused = ""
        try:
            await visit.ask(operation, self._path(visit), {"reason": (await visit.form()).get("reason")})
        except ApiError as error:
            if error.status != 409:
                raise
            refused = error.detail
        return await self._one(visit, refused)

    async def _one(self, visit: Visit, refused: str = "") -> web.StreamResponse:
        stage = await visit.ask("getStage", self._path(visit))
        template = "stage_part.html" if visit.partial else "stage.html"
        devices = await self._devices(visit)
        return visit.render(template, stage=stage, devices=devices, refused=refused, open=stage.state in OPEN)

    async def _devices(self, visit: Visit) -> object:
        asked = {"cursor": visit.request.query.get("cursor"), "limit": "100"}
        return await visit.ask("listStageDevices", self._path(visit), asked)

    @staticmethod
    def _path(visit: Visit) -> dict[str, str]:
        return {"stage": visit.path["stage"]}
