"""Routes about groups of devices that parameters are given to."""

from typing import Annotated

from pydantic import Field, ValidationError

from broker.errors import ContractError
from broker.messages import At
from broker.topics import NAME
from gateway.api_cursors import text_cursor
from gateway.api_models import WHOLE, ApiModel, PageQuery, encode_cursor
from gateway.api_route import Answer, Call, Route, require_match
from gateway.database import Connection
from gateway.desired import configuring, rebuild
from gateway.events import record_event
from gateway.groups import PRIORITY, Group, find_group, load_groups, members_of, remove_group, set_group
from gateway.labels import NAME_RULE, Selector, parse_selector
from gateway.layers import Layer
from gateway.problem import invalid, not_found, refused, wrong
from gateway.publisher import Publisher
from gateway.scopes import Scope, change_scope
from gateway.spec_models import LifeQuery
from gateway.wording import when
from store.pool import Pool

MEDIA = ("application/json",)
PATH = "/groups/{group}"


class GroupBody(ApiModel):
    """Which devices belong to a group, and where its layer lies."""

    selector: Annotated[str, Field(min_length=1, max_length=2048)] = Field(
        description="Conditions on labels and facts that must all hold: `site=warsaw,model!=pi3`."
    )
    priority: Annotated[int, Field(ge=0, le=1_000_000, strict=True), WHOLE] = Field(
        default=PRIORITY, description="Of groups that overlap the higher one wins, at a tie the later name."
    )


class GroupSummary(ApiModel):
    """A group of devices."""

    group: str
    selector: str
    priority: int
    author: str
    reason: str | None
    changed_at: At


class GroupView(GroupSummary):
    """A group with its number of devices; after a change also whose configuration it changed."""

    devices: int
    changed: tuple[str, ...] = ()


class GroupPage(ApiModel):
    """Groups by name."""

    items: tuple[GroupSummary, ...]
    next: str | None


class GroupDevices(ApiModel):
    """Devices of a group by name."""

    items: tuple[str, ...]
    next: str | None


class GroupRoutes:
    """Groups; a change gives the devices that enter or leave their other parameters at once."""

    def __init__(self, pool: Pool, publisher: Publisher) -> None:
        self._pool = pool
        self._publisher = publisher

    def routes(self) -> list[Route]:
        """The routes served here."""
        fields = {"group": "The group's name."}
        made = "Make a group, or change its selector or priority."
        gone = "Remove a group with its parameters; their history stays."
        return [
            Route("GET", "/groups", "listGroups", "Groups by name.", self.page, GroupPage, PageQuery),
            Route("GET", PATH, "getGroup", "A group.", self.get, GroupView, None, None, fields, etag=True),
            Route("PUT", PATH, "putGroup", made, self.put, GroupView, LifeQuery, GroupBody, fields, True, MEDIA),
            Route("DELETE", PATH, "deleteGroup", gone, self.delete, GroupView, LifeQuery, None, fields, etag=True),
            Route("GET", f"{PATH}/devices", "listGroupDevices", "The devices of a group by name.", self.devices,
                  GroupDevices, PageQuery, None, fields),
        ]  # fmt: skip

    async def page(self, call: Call) -> Answer:
        """GET /groups."""
        query: PageQuery = call.query
        after = text_cursor(query)
        async with self._pool.acquire() as connection:
            groups = sorted(await load_groups(connection), key=lambda group: group.name)
        rest = [group for group in groups if group.name > after]
        items = tuple(GroupSummary.model_validate(_told(group)) for group in rest[: query.limit])
        more = len(rest) > query.limit
        return Answer(GroupPage(items=items, next=encode_cursor(items[-1].group) if more else None))

    async def get(self, call: Call) -> Answer:
        """GET /groups/{group}."""
        async with self._pool.acquire() as connection:
            return await self._view(connection, await _found(connection, call.path["group"]))

    async def devices(self, call: Call) -> Answer:
        """GET /groups/{group}/devices."""
        query: PageQuery = call.query
        after = text_cursor(query)
        async with self._pool.acquire() as connection:
            members = await members_of(connection, await _found(connection, call.path["group"]))
        rest = [name for _, name in members if name > after]
        more = len(rest) > query.limit
        items = tuple(rest[: query.limit])
        return Answer(GroupDevices(items=items, next=encode_cursor(items[-1]) if more else None))

    async def put(self, call: Call) -> Answer:
        """PUT /groups/{group}."""
        name, query = call.path["group"], call.query
        body, selector = _read(call)
        async with configuring(self._pool) as connection:
            before = await find_group(connection, name)
            if before is not None:
                require_match(call, await self._view(connection, before), "the group's fields", _changed(before))
            if before is None or (before.selector, before.priority) != (selector, body.priority):
                touched = set() if before is None else await _registered(connection, before)
                try:
                    await set_group(connection, name, selector, body.priority, author=query.author, reason=query.reason)
                except ContractError as error:
                    raise refused(error) from error
                await _tell(connection, "group_changed", name, query, selector=str(selector), priority=body.priority)
                touched |= await _registered(connection, await _found(connection, name))
                changed = await self._rebuild(connection, touched, query)
            else:
                changed = []
            view = await self._view(connection, await _found(connection, name), changed)
        self._publisher.mark(*changed)
        return view

    async def delete(self, call: Call) -> Answer:
        """DELETE /groups/{group}."""
        name, query = call.path["group"], call.query
        async with configuring(self._pool) as connection:
            group = await _found(connection, name)
            before = await self._view(connection, group)
            require_match(call, before, "the group's fields", _changed(group))
            touched = await _registered(connection, group)
            shelf = await self._publisher.renew(connection)
            # a later group of this name must not begin with the parameters of this one
            changed = await change_scope(
                connection, Scope(group.scope, group=group), Layer(), shelf, author=query.author, reason=query.reason
            )
            await remove_group(connection, name, author=query.author, reason=query.reason)
            await _tell(connection, "group_removed", name, query)
            changed += await self._rebuild(connection, touched, query)
        self._publisher.mark(*changed)
        view = GroupView.model_validate({**_told(group), "devices": len(touched), "changed": tuple(changed)})
        return Answer(view)

    async def _rebuild(self, connection: Connection, touched: set[int], query: LifeQuery) -> list[str]:
        shelf = await self._publisher.renew(connection)
        return await rebuild(connection, sorted(touched), shelf, author=query.author)

    @staticmethod
    async def _view(connection: Connection, group: Group, changed: list[str] | None = None) -> Answer:
        devices = len(await members_of(connection, group))
        view = GroupView.model_validate({**_told(group), "devices": devices, "changed": tuple(changed or ())})
        return Answer(view, etag=f'"{group.version}"')


async def _found(connection: Connection, name: str) -> Group:
    group = await find_group(connection, name)
    if group is None:
        raise not_found("group", name)
    return group


async def _registered(connection: Connection, group: Group) -> set[int]:
    return set(await Scope(group.scope, group=group).device_ids(connection))


def _read(call: Call) -> tuple[GroupBody, Selector]:
    if NAME.fullmatch(call.path["group"]) is None:
        name = call.path["group"][:80]
        raise wrong("group", f"{name!r} is no group's name", NAME_RULE)
    try:
        body = GroupBody.model_validate_json(call.body, strict=True)
        return body, parse_selector(body.selector)
    except ValidationError as error:
        raise invalid(error, list(GroupBody.model_fields)) from error
    except ContractError as error:
        raise refused(error) from error


def _told(group: Group) -> dict[str, object]:
    return {
        "group": group.name,
        "selector": str(group.selector),
        "priority": group.priority,
        "author": group.author,
        "reason": group.reason,
        "changed_at": group.changed_at,
    }


def _changed(group: Group) -> str:
    return f"{group.author} changed the group at {when(group.changed_at)}"


async def _tell(connection: Connection, event: str, group: str, query: LifeQuery, **facts: object) -> None:
    detail = {"group": group, "author": query.author, "reason": query.reason, **facts}
    await record_event(connection, event, detail=detail)
