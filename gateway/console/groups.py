"""Groups that parameters are given to: which devices a selector fits, and what the group sets for them."""

from typing import Any, Final

from aiohttp import web

from broker.wording import counted
from gateway.console.desk import Desk, Visit, number_or_text, segment
from gateway.problem import ApiError

SHOWN: Final = "200"
"""Members that a page names; their number is told in full."""


class GroupPages:
    """GET /groups, one of them, and the devices that a selector fits as one types it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._desk.page
        return [
            web.get("/groups", page(self.groups)),
            web.post("/groups", page(self.make)),
            web.get("/selector", page(self.fits)),
            web.get("/groups/{group}", page(self.group)),
            web.post("/groups/{group}", page(self.change)),
            web.get("/groups/{group}/members", page(self.members)),
            web.post("/groups/{group}/remove", page(self.remove)),
        ]

    async def groups(self, visit: Visit) -> web.StreamResponse:
        """All groups, and a form for another."""
        return await self._all(visit)

    async def make(self, visit: Visit) -> web.StreamResponse:
        """Make one; a name that is taken is refused, as it would change the other."""
        form = await visit.form()
        name = form.get("group", "").strip()
        if name in {one.group for one in await self._list(visit)}:
            return await self._all(visit, form=form, refused=f"group: {name} already exists; open it to change it")
        try:
            await visit.ask("putGroup", {"group": name}, {"reason": form.get("reason")}, _body(form))
        except ApiError as error:
            return await self._all(visit, form=form, refused=_fault(error))
        return visit.go(f"/groups/{segment(name)}")

    async def fits(self, visit: Visit) -> web.StreamResponse:
        """Which devices a selector fits now."""
        selector = visit.request.query.get("selector", "").strip()
        fault, found = "", None
        if selector:
            try:
                found = await visit.ask("listDevices", query={"selector": selector, "limit": SHOWN})
            except ApiError as error:
                fault = _fault(error)
        return visit.render("group_fits.html", fault=fault, found=found)

    async def group(self, visit: Visit) -> web.StreamResponse:
        """One group with its members and parameters."""
        return await self._one(visit, "parameter_group.html")

    async def change(self, visit: Visit) -> web.StreamResponse:
        """Give it another selector or priority, if nobody has meanwhile."""
        form = await visit.form()
        query = {"reason": form.get("reason")}
        try:
            done = await visit.ask("putGroup", self._path(visit), query, _body(form), if_match=form.get("etag"))
        except ApiError as error:
            return await self._one(visit, "group_form.html", form=form, refused=_fault(error))
        told = f"Saved. The parameters of {counted(len(done.changed), 'device')} changed."
        return visit.acted(await self._one(visit, "group_form.html", done=told))

    async def members(self, visit: Visit) -> web.StreamResponse:
        """Who belongs to it now."""
        return await self._one(visit, "group_members.html")

    async def remove(self, visit: Visit) -> web.StreamResponse:
        """Remove it with its parameters."""
        form = await visit.form()
        await visit.ask("deleteGroup", self._path(visit), {"reason": form.get("reason")})
        return visit.go("/groups")

    async def _list(self, visit: Visit) -> list[Any]:
        found, cursor = [], None
        while True:
            page = await visit.ask("listGroups", query={"limit": "1000", "cursor": cursor})
            found += page.items
            if (cursor := page.next) is None:
                return found

    async def _all(self, visit: Visit, form: dict[str, str] | None = None, refused: str = "") -> web.StreamResponse:
        template = "groups_part.html" if visit.partial else "groups.html"
        return visit.render(template, groups=await self._list(visit), form=form or {}, refused=refused)

    async def _one(self, visit: Visit, template: str, form: dict[str, str] | None = None, **told: str) -> web.Response:
        group = await visit.ask("getGroup", self._path(visit))
        members = await visit.ask("listGroupDevices", self._path(visit), {"limit": SHOWN})
        etag = form["etag"] if form and "etag" in form else group.etag
        values = {"done": "", "refused": "", "form": form or {}, "etag": etag, **told}
        return visit.render(template, group=group, members=members, **values)

    @staticmethod
    def _path(visit: Visit) -> dict[str, str]:
        return {"group": visit.path["group"]}


def _body(form: dict[str, str]) -> dict[str, Any]:
    priority = form.get("priority", "").strip()
    number = {"priority": number_or_text(priority)} if priority else {}
    return {"selector": form.get("selector", "").strip(), **number}


def _fault(error: ApiError) -> str:
    """What to tell beside the form. Raises what is no fault of a person's."""
    if error.status not in (409, 412, 422):
        raise error
    return error.detail
