"""All sources, the making of one, and what the bridge proposes."""

from typing import Any

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi
from gateway.console.sources.wording import told
from gateway.faults import Refusal


class SourceListPages:
    """GET /sources, and the proposals on it."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._console.page
        return [
            web.get("/sources", page(self.sources)),
            web.post("/sources", page(self.create)),
            web.get("/source-proposals/{proposal}", page(self.proposal)),
            web.post("/source-proposals/{proposal}/accept", page(self.accept)),
            web.post("/source-proposals/{proposal}/refuse", page(self.refuse)),
        ]

    async def sources(self, browser: BrowserRequest) -> web.StreamResponse:
        """The whole page, or the table of sources alone."""
        found = (await browser.ask("listSources")).items
        if browser.partial:
            return browser.render("sources_list.html", sources=found)
        values = await _proposals(browser)
        return browser.render("sources.html", sources=found, form={}, refused="", **values)

    async def create(self, browser: BrowserRequest) -> web.StreamResponse:
        """Make a source, and show it."""
        form = await browser.form()
        name = form.get("name", "").strip()
        settings = {field: form[field].strip() for field in ("auth", "client_name") if form.get(field, "").strip()}
        body = {"name": name, "kind": form.get("kind", ""), "settings": settings}
        try:
            await browser.ask("createSource", body=body)
        except Refusal as error:
            return browser.render("source_new.html", form=form, refused=told(error))
        return browser.go(f"/sources/{name}")

    async def proposal(self, browser: BrowserRequest) -> web.StreamResponse:
        """One proposal with its mapping, and why each value that is left out is."""
        found = await browser.ask("getProposal", {"proposal": browser.path["proposal"]})
        return browser.render("source_proposal.html", one=found)

    async def accept(self, browser: BrowserRequest) -> web.StreamResponse:
        """Make the source that is proposed, and show it."""
        name = (await browser.form()).get("name", "").strip()
        try:
            done = await browser.ask("acceptProposal", {"proposal": browser.path["proposal"]}, {"name": name})
        except Refusal as error:
            return browser.render("source_proposals.html", **await _proposals(browser, told(error)))
        return browser.go(f"/sources/{done.source}")

    async def refuse(self, browser: BrowserRequest) -> web.StreamResponse:
        """Have it proposed no more."""
        refused = ""
        try:
            await browser.ask("refuseProposal", {"proposal": browser.path["proposal"]})
        except Refusal as error:
            refused = told(error)
        return browser.render("source_proposals.html", **await _proposals(browser, refused))


async def _proposals(browser: BrowserRequest, refused: str = "") -> dict[str, Any]:
    found = await browser.ask("listProposals", query={"state": "open"})
    return {"proposals": found.items, "not_decided": refused}
