"""Routes about groups of devices that parameters are given to."""

from typing import Annotated

from pydantic import Field

from broker.contract.messages import At
from gateway.api.pages import page_of, text_cursor
from gateway.api.route import Answer, Call, Route, read_body, require_absent, require_match
from gateway.fleet.groups import PRIORITY, Group
from gateway.models import ApiModel, PageQuery, ReasonQuery, encode_cursor
from gateway.parameters.group_changes import Check, Groups, GroupState
from gateway.validation import WHOLE_NUMBER
from gateway.wording import when

MEDIA = ("application/json",)
PATH = "/groups/{group}"


class GroupBody(ApiModel):
    """Which devices belong to a group, and where its layer lies."""

    selector: Annotated[str, Field(min_length=1, max_length=2048)] = Field(
        description="Conditions on labels and facts that must all hold: `site=warsaw,model!=pi3`."
    )
    priority: Annotated[int, Field(ge=0, le=1_000_000, strict=True), WHOLE_NUMBER] = Field(
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

    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    def routes(self) -> list[Route]:
        """The routes served here."""
        fields = {"group": "The group's name."}
        made = "Make a group, or change its selector or priority."
        gone = "Remove a group with its parameters; their history stays."
        return [
            Route("GET", "/groups", "listGroups", "Groups by name.", self.page, GroupPage, PageQuery),
            Route("GET", PATH, "getGroup", "A group.", self.get, GroupView, None, None, fields, etag=True),
            Route("PUT", PATH, "putGroup", made, self.put, GroupView, ReasonQuery, GroupBody, fields, True, MEDIA),
            Route("DELETE", PATH, "deleteGroup", gone, self.delete, GroupView, ReasonQuery, None, fields, etag=True),
            Route("GET", f"{PATH}/devices", "listGroupDevices", "The devices of a group by name.", self.devices,
                  GroupDevices, PageQuery, None, fields),
        ]  # fmt: skip

    async def page(self, call: Call) -> Answer:
        """GET /groups."""
        query: PageQuery = call.query
        after = text_cursor(query)
        groups = [group for group in await self._groups.all() if group.name > after]
        page, more = page_of(groups, query.limit, "name")
        return Answer(GroupPage(items=tuple(GroupSummary.model_validate(_fields(one)) for one in page), next=more))

    async def get(self, call: Call) -> Answer:
        """GET /groups/{group}."""
        return _answer(await self._groups.get(call.path["group"]))

    async def devices(self, call: Call) -> Answer:
        """GET /groups/{group}/devices."""
        query: PageQuery = call.query
        after = text_cursor(query)
        names = [name for name in await self._groups.members(call.path["group"]) if name > after]
        items, more = tuple(names[: query.limit]), len(names) > query.limit
        return Answer(GroupDevices(items=items, next=encode_cursor(items[-1]) if more else None))

    async def put(self, call: Call) -> Answer:
        """PUT /groups/{group}."""
        query: ReasonQuery = call.query
        body = read_body(GroupBody, call)
        done = await self._groups.put(
            call.path["group"], body.selector, body.priority, _matching(call), author=query.author, reason=query.reason
        )
        return _answer(done)

    async def delete(self, call: Call) -> Answer:
        """DELETE /groups/{group}."""
        query: ReasonQuery = call.query
        done = await self._groups.remove(call.path["group"], _matching(call), author=query.author, reason=query.reason)
        return Answer(_answer(done).document)


def _matching(call: Call) -> Check:
    """Refuses a group that has changed since the caller read it, or that is gone since then."""

    def check(state: GroupState | None) -> None:
        if state is None:
            return require_absent(call, f"the group {call.path['group']!r}")
        last = f"{state.group.author} changed the group at {when(state.group.changed_at)}"
        return require_match(call, _answer(state), "the group's fields", last)

    return check


def _answer(state: GroupState) -> Answer:
    view = GroupView.model_validate({**_fields(state.group), "devices": state.devices, "changed": state.changed})
    return Answer(view, etag=f'"{state.group.version}"')


def _fields(group: Group) -> dict[str, object]:
    return {
        "group": group.name,
        "selector": str(group.selector),
        "priority": group.priority,
        "author": group.author,
        "reason": group.reason,
        "changed_at": group.changed_at,
    }
