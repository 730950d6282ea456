"""Unknown products: meters in groups that one spec could read, and what kept frames mean."""

from aiohttp import web

from gateway.console.desk import Desk, Visit
from gateway.problem import ApiError


class UnknownPages:
    """GET /unknown and POST /decode."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._desk.page
        return [
            web.get("/unknown", page(self.groups)),
            web.get("/unknown/{group}", page(self.group)),
            web.post("/decode", page(self.decode)),
        ]

    async def groups(self, visit: Visit) -> web.StreamResponse:
        """All groups, or the list in it."""
        found = await visit.ask("listUnknown")
        template = "unknown_list.html" if visit.partial else "unknown.html"
        return visit.render(template, groups=found.items, ports=found.ports)

    async def group(self, visit: Visit) -> web.StreamResponse:
        """One group, with its meters' frames a link away."""
        found = next((one for one in (await visit.ask("listUnknown")).items if one.group == visit.path["group"]), None)
        if found is None:
            raise ApiError(404, f"there is no group {visit.path['group'][:100]!r} any more: a spec may read it by now")
        return visit.render("group.html", group=found)

    async def decode(self, visit: Visit) -> web.StreamResponse:
        """What a frame means by the published specs."""
        found = await visit.ask("decode", body={"hex": (await visit.form()).get("hex", "")})
        return visit.render("decoded.html", decoded=found.model_dump(mode="json", exclude_none=True))
