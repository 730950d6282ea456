"""Devices that ask to be let in: who waits and why, and what was decided."""

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi
from gateway.faults import Kind, Refusal


class EnrolmentPages:
    """GET /enrolments, and a person's word about one."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._console.page
        return [
            web.get("/enrolments", page(self.enrolments)),
            web.post("/enrolments/{enrolment}/approve", page(self.approve)),
            web.post("/enrolments/{enrolment}/refuse", page(self.refuse)),
        ]

    async def enrolments(self, browser: BrowserRequest) -> web.StreamResponse:
        """Who waits, or all; the rows alone where more of them are asked for."""
        return await self._list(browser)

    async def approve(self, browser: BrowserRequest) -> web.StreamResponse:
        """Let one in."""
        return await self._decided(browser, "approveEnrolment")

    async def refuse(self, browser: BrowserRequest) -> web.StreamResponse:
        """Refuse one."""
        return await self._decided(browser, "refuseEnrolment")

    async def _decided(self, browser: BrowserRequest, operation: str) -> web.StreamResponse:
        refused = None
        try:
            await browser.ask(operation, {"enrolment": browser.path["enrolment"]})
        except Refusal as error:
            # somebody else has decided meanwhile, or the claim is revoked: the list says how it stands now
            if error.kind is not Kind.CONFLICT:
                raise
            refused = error
        return await self._list(browser, refused)

    @staticmethod
    async def _list(browser: BrowserRequest, error: Refusal | None = None) -> web.StreamResponse:
        query = {
            "state": browser.request.query.get("state", "waiting"),
            "cursor": browser.request.query.get("cursor", ""),
        }
        found = await browser.ask("listEnrolments", query={**query, "limit": "50"})
        template = "enrolments.html"
        if browser.partial:
            template = "enrolments_rows.html" if query["cursor"] else "enrolments_list.html"
        return browser.render(template, enrolments=found, asked=query, error=error)
