"""Routes that get and set the parameters of a device, a group or the fleet, and bring back an earlier version."""

from typing import Final

from pydantic import BaseModel, Field

from gateway.api.parameters.models import MAX_VERSION, ChangeQuery, DeviceParameters, FleetParameters, GroupParameters
from gateway.api.parameters.views import newest_change, view
from gateway.api.route import Answer, Call, Route, require_match
from gateway.desired.change import Configuration
from gateway.desired.layers import ParameterLayer, ParameterPatch
from gateway.desired.reports import wait_reported
from gateway.parameters.edits import Edit, Patch, Replacement, Rollback, edit_scope
from gateway.parameters.scopes import find_scope
from gateway.signals import Signals
from store.pool import Pool

SCOPES: Final[tuple[tuple[str, str, str, type[BaseModel]], ...]] = (
    ("/devices/{device}/parameters", "Device", "a device", DeviceParameters),
    ("/groups/{group}/parameters", "Group", "a group", GroupParameters),
    ("/parameters", "Fleet", "the fleet", FleetParameters),
)
"""Path, name, words and answer of each kind of scope."""
FIELDS: Final = {"device": "The device's id.", "group": "The group's name."}


class RollbackQuery(ChangeQuery):
    """Which version to bring back, who does it, and why."""

    to: int | None = Field(
        default=None, ge=0, le=MAX_VERSION, description="The version; without it the one before. 0 is: nothing set."
    )


class ParameterRoutes:
    """Parameters by scope. A change is committed, published, and answered with its version."""

    def __init__(self, pool: Pool, configuration: Configuration, signals: Signals) -> None:
        self._pool = pool
        self._configuration = configuration
        self._signals = signals

    def routes(self) -> list[Route]:
        """The routes served here."""
        return [route for scope in SCOPES for route in self._of(*scope)]

    def _of(self, path: str, name: str, whose: str, shown: type[BaseModel]) -> list[Route]:
        """GET, PATCH, PUT and rollback of one kind of scope."""
        fields = fields_of(path)
        shown_as = f"Parameters of {whose}: what holds, and from which layers."
        kept = f"Set some parameters of {whose}; null gives one back to the layers below."
        replaced = f"Replace all that {whose} sets of its own."
        back = f"Make an earlier version of what {whose} sets the newest one."
        query, some, whole = ChangeQuery, ParameterPatch, ParameterLayer
        return [
            Route("GET", path, f"get{name}Parameters", shown_as, self.get, shown, None, None, fields, etag=True),
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
        return await self._edit(call, Patch(call.changes))

    async def put(self, call: Call) -> Answer:
        """PUT .../parameters."""
        return await self._edit(call, Replacement(call.changes))

    async def rollback(self, call: Call) -> Answer:
        """POST .../parameters:rollback."""
        return await self._edit(call, Rollback(call.query.to))

    async def _edit(self, call: Call, edit: Edit) -> Answer:
        query: ChangeQuery = call.query
        async with self._configuration.changing() as change:
            connection = change.connection
            scope = await find_scope(connection, call.path)
            before = await view(connection, scope)
            require_match(call, before, "the parameters", newest_change(before))
            done = await edit_scope(change, scope, edit, author=query.author, reason=query.reason)
            after = await view(connection, scope, done.changed)
        if scope.device is not None and not query.wait_s:
            return after
        pending = await wait_reported(self._pool, self._signals, done.versions, query.wait_s)
        async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            return await view(connection, scope, done.changed, pending)


def fields_of(path: str) -> dict[str, str]:
    """Descriptions of the fields of a scope's path."""
    return {name: text for name, text in FIELDS.items() if f"{{{name}}}" in path}
