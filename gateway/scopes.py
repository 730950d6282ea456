"""A scope of parameters in the store (the fleet, a group, a device), and the one way in which its layer changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from gateway.capabilities import refusals
from gateway.database import Connection
from gateway.desired import load_states, rebuild
from gateway.events import record_event
from gateway.groups import Group, find_group, members_of
from gateway.layering import add_layer, latest_layer
from gateway.layers import FLEET, Layer, Problem, device_scope, differences, whole_problems
from gateway.problem import ApiError, not_found, wrongs
from gateway.shelf import Shelf
from gateway.sql import load

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope that is there; neither device nor group: the fleet."""

    key: str
    device: str | None = None
    device_id: int | None = None
    group: Group | None = None

    async def device_ids(self, connection: Connection) -> list[int]:
        """The registered devices that its layer touches."""
        if self.device_id is not None:
            return [self.device_id]
        ids = [row["id"] for row in await connection.fetch(load("configured_devices"))]
        if self.group is None:
            return ids
        members = {device_id for device_id, _ in await members_of(connection, self.group)}
        return [device_id for device_id in ids if device_id in members]


async def find_scope(connection: Connection, path: Mapping[str, str]) -> Scope:
    """The scope that a request's path names. Raises ApiError 404."""
    if "device" in path:
        name = path["device"]
        device_id = await connection.fetchval("SELECT id FROM device WHERE name = $1", name)
        if device_id is None:
            raise not_found("device", name)
        return Scope(device_scope(name), device=name, device_id=device_id)
    if "group" in path:
        group = await find_group(connection, path["group"])
        if group is None:
            raise not_found("group", path["group"])
        return Scope(group.scope, group=group)
    return Scope(FLEET)


async def scope_of(connection: Connection, key: str) -> Scope | None:
    """The fleet or a group by its key; None for a group that is gone."""
    if key == FLEET:
        return Scope(FLEET)
    group = await find_group(connection, key.partition(":")[2])
    return None if group is None else Scope(key, group=group)


async def change_scope(
    connection: Connection, scope: Scope, layer: Layer, shelf: Shelf, *, author: str, reason: str | None
) -> list[str]:
    """Give a scope another layer as its next version and rebuild what it touches; the same layer is no new version.

    Returns the names of the devices whose configuration changed. Raises ApiError 409 while a staged change of the
    scope is open, 422 for what the parameter model or a device's software refuses.
    """
    before = await latest_layer(connection, scope.key)
    if layer != before:
        await require_unstaged(connection, scope)
        await check_layer(connection, scope, before, layer)
        version = await add_layer(connection, scope.key, layer, author=author, reason=reason)
        await tell_change(connection, scope, version, before, layer, author=author, reason=reason)
    return await rebuild(connection, await scope.device_ids(connection), shelf, author=author)


async def tell_change(
    connection: Connection,
    scope: Scope,
    version: int,
    before: Layer,
    after: Layer,
    *,
    author: str,
    reason: str | None,
) -> None:
    """The audit line of a change, as event and in the log; names of parameters, never their values."""
    names = [one.field for one in differences(before, after)]
    detail = {"scope": scope.key, "version": version, "author": author, "reason": reason, "changes": names}
    await record_event(connection, "parameters_changed", device=scope.device, detail=detail)
    log.info("parameters_changed", scope=scope.key, version=version, author=author, changes=names)


async def check_layer(connection: Connection, scope: Scope, before: Layer, after: Layer) -> None:
    """See that the whole is valid with the layer. Raises ApiError 422 that names each field."""
    changed = {one.field for one in differences(before, after)}
    faults: Sequence[Problem]
    if scope.device_id is not None:
        state = (await load_states(connection, [scope.device_id]))[0]
        below = tuple(laid.layer for laid in state.below)
        faults = [*refusals(state, after), *whole_problems((*below, after), changed)]
    else:
        faults = whole_problems((*await _under(connection, scope), after), changed)
    if faults:
        raise wrongs(faults)


async def require_unstaged(connection: Connection, scope: Scope) -> None:
    """See that no staged change of the scope is open. Raises ApiError 409."""
    stage = await connection.fetchval(load("open_stage_of"), scope.key)
    if stage is not None:
        why = f"staged change {stage} of {scope.key} is open"
        fault = Problem("scope", why, f"wait for it, or abort it: POST /api/v1/stages/{stage}:abort")
        raise ApiError(409, f"{why}; {fault.fix}", [fault])


async def _under(connection: Connection, scope: Scope) -> list[Layer]:
    """The layers that lie under the fleet's or a group's for a device that is in no other group."""
    return [] if scope.group is None else [await latest_layer(connection, FLEET)]
