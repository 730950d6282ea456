"""Groups that parameters are given to: which devices a selector fits, and what the group sets for them."""

from typing import Any, Final

from aiohttp import web

from broker.wording import counted
from gateway.console.browser import BrowserRequest, ConsoleApi, number_or_text, segment
from gateway.faults import Kind, Refusal

SHOWN: Final = "200"
"""Members that a page names; their number is told in full."""


class GroupPages:
    """GET /groups, one of them, and the devices that a selector fits as one types it."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._console.page
        return [
            web.get("/groups", page(self.groups)),
            web.post("/groups", page(self.make)),
            web.get("/selector", page(self.fits)),
            web.get("/groups/{group}", page(self.group)),
            web.post("/groups/{group}", page(self.change)),
            web.get("/groups/{group}/members", page(self.members)),
            web.post("/groups/{group}/remove", page(self.remove)),
        ]

    async def groups(self, browser: BrowserRequest) -> web.StreamResponse:
        """All groups, and a form for another."""
        return await self._all(browser)

    async def make(self, browser: BrowserRequest) -> web.StreamResponse:
        """Make one; a name that is taken is refused, as it would change the other."""
        form = await browser.form()
        name = form.get("group", "").strip()
        if name in {one.group for one in await self._list(browser)}:
            return await self._all(browser, form=form, refused=f"group: {name} already exists; open it to change it")
        try:
            await browser.ask("putGroup", {"group": name}, {"reason": form.get("reason")}, _body(form))
        except Refusal as error:
            return await self._all(browser, form=form, refused=_fault(error))
        return browser.go(f"/groups/{segment(name)}")

    async def fits(self, browser: BrowserRequest) -> web.StreamResponse:
        """Which devices a selector fits now."""
        selector = browser.request.query.get("selector", "").strip()
        fault, found = "", None
        if selector:
            try:
                found = await browser.ask("listDevices", query={"selector": selector, "limit": SHOWN})
            except Refusal as error:
                fault = _fault(error)
        return browser.render("group_fits.html", fault=fault, found=found)

    async def group(self, browser: BrowserRequest) -> web.StreamResponse:
        """One group with its members and parameters."""
        return await self._one(browser, "parameter_group.html")

    async def change(self, browser: BrowserRequest) -> web.StreamResponse:
        """Give it another selector or priority, if nobody has meanwhile."""
        form = await browser.form()
        query = {"reason": form.get("reason")}
        try:
            done = await browser.ask("putGroup", self._path(browser), query, _body(form), if_match=form.get("etag"))
        except Refusal as error:
            return await self._one(browser, "group_form.html", form=form, refused=_fault(error))
        told = f"Saved. The parameters of {counted(len(done.changed), 'device')} changed."
        return browser.acted(await self._one(browser, "group_form.html", done=told))

    async def members(self, browser: BrowserRequest) -> web.StreamResponse:
        """Who belongs to it now."""
        return await self._one(browser, "group_members.html")

    async def remove(self, browser: BrowserRequest) -> web.StreamResponse:
        """Remove it with its parameters."""
        form = await browser.form()
        await browser.ask("deleteGroup", self._path(browser), {"reason": form.get("reason")})
        return browser.go("/groups")

    async def _list(self, browser: BrowserRequest) -> list[Any]:
        found, cursor = [], None
        while True:
            page = await browser.ask("listGroups", query={"limit": "1000", "cursor": cursor})
            found += page.items
            if (cursor := page.next) is None:
                return found

    async def _all(
        self, browser: BrowserRequest, form: dict[str, str] | None = None, refused: str = ""
    ) -> web.StreamResponse:
        template = "groups_part.html" if browser.partial else "groups.html"
        return browser.render(template, groups=await self._list(browser), form=form or {}, refused=refused)

    async def _one(
        self, browser: BrowserRequest, template: str, form: dict[str, str] | None = None, **told: str
    ) -> web.Response:
        group = await browser.ask("getGroup", self._path(browser))
        members = await browser.ask("listGroupDevices", self._path(browser), {"limit": SHOWN})
        etag = form["etag"] if form and "etag" in form else group.etag
        values = {"done": "", "refused": "", "form": form or {}, "etag": etag, **told}
        return browser.render(template, group=group, members=members, **values)

    @staticmethod
    def _path(browser: BrowserRequest) -> dict[str, str]:
        return {"group": browser.path["group"]}


def _body(form: dict[str, str]) -> dict[str, Any]:
    priority = form.get("priority", "").strip()
    number = {"priority": number_or_text(priority)} if priority else {}
    return {"selector": form.get("selector", "").strip(), **number}


def _fault(error: Refusal) -> str:
    """What to tell beside the form. Raises what is no fault of a person's."""
    if error.kind not in (Kind.CONFLICT, Kind.STALE, Kind.INVALID):
        raise error
    return error.detail
