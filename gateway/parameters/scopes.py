"""A scope of parameters in the store (the fleet, a group, a device), and the one way in which its layer changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from broker.selectors import Selector
from gateway.desired.capabilities import refusals
from gateway.desired.change import Change
from gateway.desired.layering import add_layer, latest_layer
from gateway.desired.layers import FLEET, Layer, device_scope, differences, faults_of_whole
from gateway.desired.state import load_state
from gateway.desired.store import configured_devices
from gateway.events import record_event
from gateway.faults import Fault, conflict, invalid, invalid_fields, unknown
from gateway.fleet.devices import require_device
from gateway.fleet.groups import Group, find_group, members_of
from gateway.parameters.store import open_stage
from store.sql import Connection

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
        ids = await configured_devices(connection)
        if self.group is None:
            return ids
        members = {device_id for device_id, _ in await members_of(connection, self.group)}
        return [device_id for device_id in ids if device_id in members]


async def find_scope(connection: Connection, path: Mapping[str, str]) -> Scope:
    """The scope that a request's path names. Raises Refusal: unknown."""
    if "device" in path:
        name = path["device"]
        found = await require_device(connection, name)
        return Scope(device_scope(name), device=name, device_id=found.id)
    if "group" in path:
        group = await find_group(connection, path["group"])
        if group is None:
            raise unknown("group", path["group"])
        return Scope(group.scope, group=group)
    return Scope(FLEET)


async def scope_of(connection: Connection, key: str) -> Scope | None:
    """The fleet or a group by its key; None for a group that is gone."""
    if key == FLEET:
        return Scope(FLEET)
    group = await find_group(connection, key.partition(":")[2])
    return None if group is None else Scope(key, group=group)


async def change_scope(change: Change, scope: Scope, layer: Layer, *, author: str, reason: str | None) -> list[str]:
    """Give a scope another layer as its next version and rebuild what it touches; the same layer is no new version.

    Returns the names of the devices whose configuration changed. Raises Refusal: conflict while a staged change of the
    scope is open, or where several devices would change their software at once; invalid for what the parameter model or
    a device's software refuses.
    """
    connection = change.connection
    before = await latest_layer(connection, scope.key)
    if layer != before:
        await require_unstaged(connection, scope)
        await check_layer(connection, scope, before, layer)
        version = await add_layer(connection, scope.key, layer, author=author, reason=reason)
        await record_change(connection, scope, version, before, layer, author=author, reason=reason)
    changed = await change.rebuild(await scope.device_ids(connection), author=author)
    require_steps(change)
    return changed


async def record_change(
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
    """See that the whole is valid with the layer. Raises Refusal: invalid that names each field."""
    changed = {one.field for one in differences(before, after)}
    if scope.group is not None:
        require_stable(scope.group.selector, after)
    faults: Sequence[Fault]
    if scope.device_id is not None:
        state = await load_state(connection, scope.device_id)
        below = tuple(placed.layer for placed in state.below)
        faults = [*refusals(state, after), *faults_of_whole((*below, after), changed)]
    else:
        faults = faults_of_whole((*await _under(connection, scope), after), changed)
    if faults:
        raise invalid_fields(faults)


async def require_unstaged(connection: Connection, scope: Scope) -> None:
    """See that no staged change of the scope is open. Raises Refusal: conflict."""
    stage = await open_stage(connection, scope.key)
    if stage is not None:
        why = f"staged change {stage} of {scope.key} is open"
        fault = Fault("scope", why, f"wait for it, or abort it: POST /api/v1/stages/{stage}:abort")
        raise conflict(f"{why}; {fault.fix}", [fault])


def require_steps(change: Change) -> None:
    """See that no more than one device is to change its software at once by this. Raises Refusal: conflict."""
    count = len({one.device for one in change.software if one.installs})
    if count > 1:
        why = f"{count} devices would change their software at once"
        fix = "give it in steps: `wattline update publish`, or POST .../parameters:stage"
        raise conflict(f"{why}; {fix}", [Fault("software_release", why, fix)])


def require_stable(selector: Selector, layer: Layer) -> None:
    """See that devices stay in a group whose software they are given. Raises Refusal: invalid."""
    if layer.parameters.get("software_release") and any(term.name == "software" for term in selector.terms):
        why = f"devices would leave the group {selector} by the release that it gives them"
        raise invalid("software_release", why, "choose the group's devices by other labels")


async def _under(connection: Connection, scope: Scope) -> list[Layer]:
    """The layers that lie under the fleet's or a group's for a device that is in no other group."""
    return [] if scope.group is None else [await latest_layer(connection, FLEET)]
