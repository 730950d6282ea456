"""Specs and their life: the list, one of them, and the editor that judges as one types."""

from typing import Any, Final

from aiohttp import web

from broker.wording import counted
from gateway.console.browser import BrowserRequest, ConsoleApi
from gateway.faults import Kind, Refusal

STARTER: Final = """# Write a spec here; docs/SPECS.md has a complete example.
name: my-meter
version: 1
"""
ACTIONS: Final = {
    "publish": "publishSpec",
    "deprecate": "deprecateSpec",
    "rollout": "giveSpec",
    "release": "releaseSpec",
    "withdraw": "withdrawSpec",
    "redecode": "redecodeSpec",
}


class SpecPages:
    """Lists, details and the editor of specs."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page, one = self._console.page, "/specs/{name}/{version}"
        return [
            web.get("/specs", page(self.specs)),
            web.get("/specs/edit", page(self.edit)),
            web.post("/specs/check", page(self.check)),
            web.post("/specs/save", page(self.save)),
            web.get(one, page(self.spec)),
            web.post(one + "/compare", page(self.compare)),
            web.post(one + "/{action}", page(self.act)),
        ]

    async def specs(self, browser: BrowserRequest) -> web.StreamResponse:
        """All specs that fit a filter."""
        asked = {name: browser.request.query.get(name, "") for name in ("q", "state")}
        items, cursor = [], None
        while True:
            found = await browser.ask("listSpecs", query={"state": asked["state"], "limit": "1000", "cursor": cursor})
            items += found.items
            if (cursor := found.next) is None:
                break
        words = asked["q"].lower().split()
        shown = [one for one in items if all(word in _text(one) for word in words)]
        return browser.render("specs_list.html" if browser.partial else "specs.html", specs=shown, asked=asked)

    async def spec(self, browser: BrowserRequest) -> web.StreamResponse:
        """One spec with its text and what may be done with it."""
        return await self._spec(browser)

    async def act(self, browser: BrowserRequest) -> web.StreamResponse:
        """Publish, deprecate, and the like."""
        operation = ACTIONS.get(browser.path["action"])
        if operation is None or not self._console.offers(operation):
            raise web.HTTPNotFound
        query = {name: value for name, value in (await browser.form()).items() if name in ("reason", "canary", "to")}
        try:
            change = await browser.ask(operation, self._path(browser), query)
        except Refusal as error:
            if not browser.partial or error.kind in (Kind.UNIDENTIFIED, Kind.FORBIDDEN, Kind.TOO_MANY):
                raise
            return browser.render("spec_result.html", error=error, change=None)
        if browser.path["action"] == "redecode":
            return browser.go(f"/jobs/{change.job}")
        return browser.acted(browser.render("spec_result.html", error=None, change=change))

    async def compare(self, browser: BrowserRequest) -> web.StreamResponse:
        """This version and the one before it over kept frames."""
        found = await browser.ask("compareSpec", self._path(browser))
        return browser.render("comparison.html", comparison=found)

    async def edit(self, browser: BrowserRequest) -> web.StreamResponse:
        """The editor: empty, with a spec as it is, or with a draft made from kept frames."""
        query = browser.request.query
        text, told = STARTER, ""
        if "spec" in query:
            name, _, version = query["spec"].partition("@")
            text = await browser.ask("getSpec", {"name": name, "version": version}, {"format": "yaml"})
            told = f"Copied from {query['spec']}. A published version can't be changed: raise `version`."
        elif query.keys() & {"group", "meter"}:
            asked = {name: query[name] for name in ("group", "meter") if name in query}
            made = await browser.ask("draftSpec", body=asked)
            text = made.text
            seen = f"{counted(made.frames, 'kept frame')} with {counted(made.telegrams, 'telegram')}"
            told = f"Drafted from {seen}. Name it, and check what is marked as guessed."
            if made.guessed_units:
                told += f" No unit is on the wire for {', '.join(made.guessed_units)}: compare with the display."
        return browser.render("spec_edit.html", text=text, told=told)

    async def check(self, browser: BrowserRequest) -> web.StreamResponse:
        """What speaks against publishing what is in the editor."""
        text = (await browser.form()).get("text", "")
        return browser.render("spec_report.html", report=await browser.ask("validateSpec", body=_lines(text)))

    async def save(self, browser: BrowserRequest) -> web.StreamResponse:
        """Store what is in the editor as a draft, or publish it."""
        form = await browser.form()
        query = {"reason": form.get("reason"), "publish": "true" if form.get("how") == "publish" else None}
        if form.get("how") == "publish" and form.get("canary"):
            query["canary"] = form["canary"]
        try:
            change = await browser.ask("saveSpec", query=query, body=_lines(form.get("text", "")))
        except Refusal as error:
            if error.kind not in (Kind.MALFORMED, Kind.CONFLICT, Kind.INVALID):
                raise
            return browser.render("spec_result.html", error=error, change=None)
        return browser.render("spec_result.html", error=None, change=change)

    async def _spec(self, browser: BrowserRequest) -> web.StreamResponse:
        detail = await self._detail(browser)
        text = await browser.ask("getSpec", self._path(browser), {"format": "yaml"})
        template = "spec_life.html" if browser.partial else "spec.html"
        return browser.render(template, spec=detail, text=text, rollout=await self._rollout(browser))

    async def _detail(self, browser: BrowserRequest) -> Any:
        return await browser.ask("getSpec", self._path(browser))

    async def _rollout(self, browser: BrowserRequest) -> Any:
        if not browser.may("getRollout"):
            return None
        try:
            return await browser.ask("getRollout", self._path(browser))
        except Refusal as error:
            if error.kind is not Kind.UNKNOWN:
                raise
            return None

    @staticmethod
    def _path(browser: BrowserRequest) -> dict[str, str]:
        return {"name": browser.path["name"], "version": browser.path["version"]}


def _text(spec: Any) -> str:
    parts = (spec.spec, spec.version, spec.state, spec.protocol, spec.manufacturer, spec.product)
    return " ".join(str(part) for part in parts if part is not None).lower()


def _lines(text: str) -> bytes:
    # browsers send CR LF, which is not what the author wrote
    return text.replace("\r\n", "\n").encode()
