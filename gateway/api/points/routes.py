"""Routes about points of delivery: which meter stands where, which stood there before, and what a point is called."""

from gateway.api.pages import page_of, text_cursor
from gateway.api.points.models import (
    PointDetail,
    PointPage,
    PointPatch,
    PointsQuery,
    PointSummary,
    StayView,
)
from gateway.api.points.store import list_points, point_detail, stays_of_point
from gateway.api.route import Answer, Call, Route, read_body
from gateway.faults import unknown
from gateway.fleet.devices import check_device
from gateway.fleet.points import rename
from gateway.fleet.registers import RegisterRead, enter
from gateway.models import AuthorQuery
from store.pool import Pool

MAX_ID = 2**31 - 1


class PointRoutes:
    """Points of delivery and their names."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def routes(self) -> list[Route]:
        """The routes served here."""
        fields = {"point": "The point's id, as GET /points gives it."}
        one = "/points/{point}"
        shown = "A point of delivery with all meters that stood there, and their registers."
        renamed = "Rename a point of delivery."
        read = (
            "Enter a register as it was read from a meter that came or went; consumption counts to it, or from it on."
        )
        return [
            Route("GET", "/points", "listPoints", "Points of delivery by name.", self.page, PointPage, PointsQuery),
            Route("GET", one, "getPoint", shown, self.detail, PointDetail, path_fields=fields),
            Route("PUT", f"{one}/registers", "enterRegister", read, self.enter, PointDetail, AuthorQuery, RegisterRead,
                  fields),
            Route("PATCH", one, "renamePoint", renamed, self.rename, PointSummary, AuthorQuery, PointPatch, fields),
        ]  # fmt: skip

    async def page(self, call: Call) -> Answer:
        """GET /points."""
        query: PointsQuery = call.query
        after = text_cursor(query)
        await check_device(self._pool, query.device)
        rows = await list_points(self._pool, after, query.device, query.limit + 1)
        page, more = page_of(rows, query.limit, "name")
        return Answer(PointPage(items=page, next=more))

    async def detail(self, call: Call) -> Answer:
        """GET /points/{point}."""
        summary = await self._summary(call.path["point"])
        found = await stays_of_point(self._pool, summary.id)
        stays = tuple(StayView.model_validate(one, from_attributes=True) for one in found)
        return Answer(PointDetail(**summary.model_dump(), stays=stays))

    async def enter(self, call: Call) -> Answer:
        """PUT /points/{point}/registers."""
        query: AuthorQuery = call.query
        summary = await self._summary(call.path["point"])
        async with self._pool.acquire() as connection, connection.transaction():
            await enter(connection, summary.id, read_body(RegisterRead, call), query.author)
        return await self.detail(call)

    async def rename(self, call: Call) -> Answer:
        """PATCH /points/{point}."""
        query: AuthorQuery = call.query
        summary, name = await self._summary(call.path["point"]), call.changes["name"].strip()
        await rename(self._pool, summary.id, name, query.author)
        return Answer(await self._summary(call.path["point"]))

    async def _summary(self, text: str) -> PointSummary:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 11 else 0
        found = await point_detail(self._pool, number) if 0 < number <= MAX_ID else None
        if found is None:
            raise unknown("point", text)
        return found
