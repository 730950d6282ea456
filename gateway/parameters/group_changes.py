"""Changes of groups: which devices belong to one, where its layer lies, and its end."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.desired.change import Change, Configuration
from gateway.desired.layering import latest_layer
from gateway.desired.layers import Layer
from gateway.events import record_event
from gateway.faults import unknown
from gateway.fleet.groups import (
    Group,
    check_name,
    find_group,
    group_scope,
    load_groups,
    members_of,
    remove_group,
    set_group,
)
from gateway.fleet.labels import parse_selector
from gateway.parameters.scopes import Scope, change_scope, require_stable, require_steps
from store.pool import Pool
from store.sql import Connection


@dataclass(frozen=True, slots=True)
class GroupState:
    """A group with its number of devices; `changed` got another configuration by what was done last."""

    group: Group
    devices: int
    changed: tuple[str, ...] = ()


Check = Callable[[GroupState | None], None]
"""Judges a group before it is changed, None where there is none; raises Refusal where it is not what was expected."""


class Groups:
    """Each change is one transaction under the configuration's lock, with its event; the same again changes nothing."""

    def __init__(self, pool: Pool, configuration: Configuration) -> None:
        self._pool = pool
        self._configuration = configuration

    async def all(self) -> list[Group]:
        """All groups by name."""
        async with self._pool.acquire() as connection:
            return sorted(await load_groups(connection), key=lambda group: group.name)

    async def get(self, name: str) -> GroupState:
        """One group. Raises Refusal: unknown."""
        async with self._pool.acquire() as connection:
            return await _state(connection, await _found(connection, name))

    async def members(self, name: str) -> list[str]:
        """The devices of a group by name. Raises Refusal: unknown."""
        async with self._pool.acquire() as connection:
            return [device for _, device in await members_of(connection, await _found(connection, name))]

    async def put(
        self, name: str, selector: str, priority: int, check: Check, *, author: str, reason: str | None
    ) -> GroupState:
        """Make a group, or change its selector or priority; who enters or leaves it gets other parameters at once.

        Raises Refusal: invalid, for a name or a selector that is none, or a group too many; conflict where several
        devices would change their software at once.
        """
        check_name(name)
        wanted = parse_selector(selector)
        async with self._configuration.changing() as change:
            before = await find_group(change.connection, name)
            state = None if before is None else await _state(change.connection, before)
            check(state)
            if state is not None and (state.group.selector, state.group.priority) == (wanted, priority):
                return state
            require_stable(wanted, await latest_layer(change.connection, group_scope(name)))
            touched = set() if before is None else await _registered(change, before)
            await set_group(change.connection, name, wanted, priority, author=author, reason=reason)
            detail = {"group": name, "author": author, "reason": reason, "selector": str(wanted)}
            await record_event(change.connection, "group_changed", detail=detail | {"priority": priority})
            after = await _found(change.connection, name)
            touched |= await _registered(change, after)
            changed = await change.rebuild(sorted(touched), author=author)
            require_steps(change)
            return await _state(change.connection, after, changed)

    async def remove(self, name: str, check: Check, *, author: str, reason: str | None) -> GroupState:
        """Remove a group with its parameters, whose history stays; as it was.

        Raises Refusal: unknown, and conflict where several devices would change their software at once.
        """
        async with self._configuration.changing() as change:
            group = await _found(change.connection, name)
            check(await _state(change.connection, group))
            touched = await _registered(change, group)
            # a later group of this name must not begin with the parameters of this one
            scope = Scope(group.scope, group=group)
            changed = await change_scope(change, scope, Layer(), author=author, reason=reason)
            await remove_group(change.connection, name, author=author, reason=reason)
            detail = {"group": name, "author": author, "reason": reason}
            await record_event(change.connection, "group_removed", detail=detail)
            changed += await change.rebuild(sorted(touched), author=author)
            require_steps(change)
        return GroupState(group, len(touched), tuple(changed))


async def _found(connection: Connection, name: str) -> Group:
    group = await find_group(connection, name)
    if group is None:
        raise unknown("group", name)
    return group


async def _state(connection: Connection, group: Group, changed: list[str] | None = None) -> GroupState:
    return GroupState(group, len(await members_of(connection, group)), tuple(changed or ()))


async def _registered(change: Change, group: Group) -> set[int]:
    return set(await Scope(group.scope, group=group).device_ids(change.connection))
