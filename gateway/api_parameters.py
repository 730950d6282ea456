"""Routes that get and set the parameters of a device, a group or the fleet, and bring back an earlier version."""

from collections.abc import Awaitable, Callable
from typing import Final

from pydantic import BaseModel, Field

from gateway.api_models import MAX_VERSION, ChangeQuery, DeviceParameters, FleetParameters, GroupParameters
from gateway.api_route import Answer, Call, Route, require_match
from gateway.database import Connection
from gateway.desired import configuring
from gateway.history import version_of
from gateway.layering import latest_layer
from gateway.layers import Layer, ParameterLayer, ParameterPatch
from gateway.parameter_views import newest_change, view
from gateway.publisher import Publisher
from gateway.reports import wait_reported
from gateway.scopes import Scope, change_scope, find_scope
from gateway.signals import Signals
from gateway.sql import load
from store.pool import Pool

SCOPES: Final[tuple[tuple[str, str, str, type[BaseModel]], ...]] = (
    ("/devices/{device}/parameters", "Device", "a device", DeviceParameters),
    ("/groups/{group}/parameters", "Group", "a group", GroupParameters),
    ("/parameters", "Fleet", "the fleet", FleetParameters),
)
"""Path, name, words and answer of each kind of scope."""
FIELDS: Final = {"device": "The device's id.", "group": "The group's name."}
Make = Callable[[Connection, Scope, Call], Awaitable[Layer]]


class RollbackQuery(ChangeQuery):
    """Which version to bring back, who does it, and why."""

    to: int | None = Field(
        default=None, ge=0, le=MAX_VERSION, description="The version; without it the one before. 0 is: nothing set."
    )


class ParameterRoutes:
    """Parameters by scope. A change is committed, published, and answered with its version."""

    def __init__(self, pool: Pool, publisher: Publisher, signals: Signals) -> None:
        self._pool = pool
        self._publisher = publisher
        self._signals = signals

    def routes(self) -> list[Route]:
        """The routes served here."""
        return [route for scope in SCOPES for route in self._of(*scope)]

    def _of(self, path: str, name: str, whose: str, shown: type[BaseModel]) -> list[Route]:
        """GET, PATCH, PUT and rollback of one kind of scope."""
        fields = fields_of(path)
        told = f"Parameters of {whose}: what holds, and from which layers."
        kept = f"Set some parameters of {whose}; null gives one back to the layers below."
        replaced = f"Replace all that {whose} sets of its own."
        back = f"Make an earlier version of what {whose} sets the newest one."
        query, some, whole = ChangeQuery, ParameterPatch, ParameterLayer
        return [
            Route("GET", path, f"get{name}Parameters", told, self.get, shown, None, None, fields, etag=True),
            Route("PATCH", path, f"patch{name}Parameters", kept, self.patch, shown, query, some, fields, etag=True),
            Route("PUT", path, f"put{name}Parameters", replaced, self.put, shown, query, whole, fields, etag=True),
            Route("POST", f"{path}:rollback", f"rollback{name}Parameters", back, self.rollback, shown, RollbackQuery,
                  None, fields, etag=True),
        ]  # fmt: skip

    async def get(self, call: Call) -> Answer:
        """GET .../parameters."""
        async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            return await view(connection, await find_scope(connection, call.path))

    async def patch(self, call: Call) -> Answer:
        """PATCH .../parameters."""

        async def make(connection: Connection, scope: Scope, call: Call) -> Layer:
            return (await latest_layer(connection, scope.key)).patched(call.changes)

        return await self._change(call, make)

    async def put(self, call: Call) -> Answer:
        """PUT .../parameters."""

        async def make(connection: Connection, scope: Scope, call: Call) -> Layer:
            own = await latest_layer(connection, scope.key)
            return own.model_copy(update={"parameters": {}}).patched(call.changes)

        return await self._change(call, make)

    async def rollback(self, call: Call) -> Answer:
        """POST .../parameters:rollback."""

        async def make(connection: Connection, scope: Scope, call: Call) -> Layer:
            return await version_of(connection, scope.key, call.query.to, self._publisher.shelf)

        return await self._change(call, make)

    async def _change(self, call: Call, make: Make) -> Answer:
        query: ChangeQuery = call.query
        async with configuring(self._pool) as connection:
            scope = await find_scope(connection, call.path)
            before = await view(connection, scope)
            require_match(call, before, "the parameters", newest_change(before))
            shelf = await self._publisher.renew(connection)
            layer = await make(connection, scope, call)
            changed = await change_scope(connection, scope, layer, shelf, author=query.author, reason=query.reason)
            # of a device also where nothing changed: a repeat after a lost answer must end with it in step
            touched = changed if scope.device is None else [scope.device]
            rows = await connection.fetch(load("desired_versions"), touched)
            versions = {row["name"]: row["version"] for row in rows}
            after = await view(connection, scope, changed)
        self._publisher.mark(*touched)
        if scope.device is not None and not query.wait_s:
            return after
        pending = await wait_reported(self._pool, self._signals, versions, query.wait_s)
        async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            return await view(connection, scope, changed, pending)


def fields_of(path: str) -> dict[str, str]:
    """Descriptions of the fields of a scope's path."""
    return {name: text for name, text in FIELDS.items() if f"{{{name}}}" in path}
