"""Routes about points of delivery: which meter stands where, which stood there before, and what a point is called."""

import json
from typing import Annotated

import asyncpg
from pydantic import Field, StringConstraints

from broker.messages import At, Message
from gateway.api_cursors import page_of, text_cursor
from gateway.api_devices import require_device
from gateway.api_models import ApiModel, PageQuery
from gateway.api_route import Answer, Call, Route, read_body
from gateway.layers import Problem
from gateway.problem import ApiError, not_found
from gateway.registers import RegisterRead, enter
from gateway.sql import load
from store.pool import Pool

MAX_ID = 2**31 - 1


class PointsQuery(PageQuery):
    """Which points."""

    device: str | None = Field(default=None, description="Only points of this device.")


class AuthorQuery(ApiModel):
    """Who changes a point."""

    author: str = Field(default="api", min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]*$")


class PointPatch(Message):
    """What may be changed of a point."""

    name: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$", max_length=200)]


class RegisterView(ApiModel):
    """A register as it stood when its meter came or went."""

    obis: str
    unit: str
    value: float
    at: At
    read_by: str | None = Field(default=None, description="Who read it from the meter; the nearest reading where null.")


class PointSummary(ApiModel):
    """A point of delivery with the meter that stands there, and the one before it."""

    id: int
    name: str
    device: str
    port: str
    channel: str = Field(description="M-Bus channel of a meter behind another, else empty.")
    slot: int = Field(description="Above 1 for the further meters that share a line.")
    meter: str | None
    since: At | None
    previous_meter: str | None
    swapped_at: At | None


class StayView(ApiModel):
    """When a meter stood at a point, with its registers at both ends."""

    meter: str
    installed_at: At
    removed_at: At | None
    opening: tuple[RegisterView, ...]
    closing: tuple[RegisterView, ...]


class PointDetail(PointSummary):
    """A point with its stays, the newest first, 100 at most."""

    stays: tuple[StayView, ...]


class PointPage(ApiModel):
    """Points by name."""

    items: tuple[PointSummary, ...]
    next: str | None


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
        await require_device(self._pool, query.device)
        rows = await self._pool.fetch(load("list_points"), after, query.device, query.limit + 1)
        page, more = page_of(rows, query.limit, "name")
        return Answer(PointPage(items=tuple(PointSummary(**dict(row)) for row in page), next=more))

    async def detail(self, call: Call) -> Answer:
        """GET /points/{point}."""
        summary = await self._summary(call.path["point"])
        rows = await self._pool.fetch(load("stays_of_point"), summary.id)
        stays = tuple(
            StayView(**{**dict(row), "opening": json.loads(row["opening"]), "closing": json.loads(row["closing"])})
            for row in rows
        )
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
        try:
            await self._pool.execute(load("rename_point"), summary.id, name, query.author)
        except asyncpg.UniqueViolationError as error:
            fault = Problem("name", f"another point is called {name!r}", "give a name that no point has")
            raise ApiError(409, f"another point is called {name!r}", [fault]) from error
        return Answer(await self._summary(call.path["point"]))

    async def _summary(self, text: str) -> PointSummary:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 11 else 0
        row = await self._pool.fetchrow(load("point_detail"), number) if 0 < number <= MAX_ID else None
        if row is None:
            raise not_found("point", text)
        return PointSummary(**dict(row))
