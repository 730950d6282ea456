"""Labels of a device: by them it comes into groups and audiences."""

from typing import Any

from aiohttp import web

from gateway.console.desk import Desk, Visit
from gateway.problem import ApiError

VALUE = "value-"


class LabelPages:
    """GET and POST /devices/{device}/labels."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        path = "/devices/{device}/labels"
        return [web.get(path, self._desk.page(self.show)), web.post(path, self._desk.page(self.change))]

    async def show(self, visit: Visit) -> web.StreamResponse:
        """The labels, the facts beside them, and the groups that it is in by both."""
        return await self._shown(visit)

    async def change(self, visit: Visit) -> web.StreamResponse:
        """Set what was typed, if nobody has changed the labels meanwhile; an empty value takes one away."""
        form = await visit.form()
        patch: dict[str, Any] = {
            name.removeprefix(VALUE): text.strip() or None for name, text in form.items() if name.startswith(VALUE)
        }
        if name := form.get("name", "").strip():
            patch[name] = form.get("value", "").strip()
        try:
            query = {"reason": form.get("reason")}
            await visit.ask("patchLabels", self._path(visit), query, patch, if_match=form.get("etag"))
        except ApiError as error:
            if error.status not in (409, 412, 422):
                raise
            return await self._shown(visit, form, error.detail)
        return await self._shown(visit)

    async def _shown(self, visit: Visit, form: dict[str, str] | None = None, refused: str = "") -> web.StreamResponse:
        found = await visit.ask("getLabels", self._path(visit))
        parameters = await visit.ask("getDeviceParameters", self._path(visit))
        etag = form["etag"] if form and "etag" in form else found.etag
        return visit.render(
            "labels.html", found=found, groups=parameters.groups, form=form or {}, refused=refused, etag=etag
        )

    @staticmethod
    def _path(visit: Visit) -> dict[str, str]:
        return {"device": visit.path["device"]}
