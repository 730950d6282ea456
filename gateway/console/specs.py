"""Specs and their life: the list, one of them, and the editor that judges as one types."""

from typing import Any, Final

from aiohttp import web

from gateway.console.desk import Desk, Visit, segment
from gateway.problem import ApiError
from gateway.wording import counted

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

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page, one = self._desk.page, "/specs/{name}/{version}"
        return [
            web.get("/specs", page(self.specs)),
            web.get("/specs/edit", page(self.edit)),
            web.post("/specs/check", page(self.check)),
            web.post("/specs/save", page(self.save)),
            web.get(one, page(self.spec)),
            web.post(one + "/compare", page(self.compare)),
            web.post(one + "/{action}", page(self.act)),
        ]

    async def specs(self, visit: Visit) -> web.StreamResponse:
        """All specs that fit a filter."""
        asked = {name: visit.request.query.get(name, "") for name in ("q", "state")}
        items, cursor = [], None
        while True:
            found = await visit.ask("listSpecs", query={"state": asked["state"], "limit": "1000", "cursor": cursor})
            items += found.items
            if (cursor := found.next) is None:
                break
        words = asked["q"].lower().split()
        shown = [one for one in items if all(word in _text(one) for word in words)]
        return visit.render("specs_list.html" if visit.partial else "specs.html", specs=shown, asked=asked)

    async def spec(self, visit: Visit) -> web.StreamResponse:
        """One spec with its text and what may be done with it."""
        return await self._spec(visit)

    async def act(self, visit: Visit) -> web.StreamResponse:
        """Publish, deprecate, and the like."""
        operation = ACTIONS.get(visit.path["action"])
        if operation is None or not self._desk.offers(operation):
            raise web.HTTPNotFound
        query = {name: value for name, value in (await visit.form()).items() if name in ("reason", "canary", "to")}
        try:
            change = await visit.ask(operation, self._path(visit), query)
        except ApiError as error:
            if not visit.partial or error.status in (401, 403, 429):
                raise
            return visit.render("spec_result.html", error=error, change=None)
        if visit.path["action"] == "redecode":
            return visit.go(f"/jobs/{change.job}")
        return visit.acted(visit.render("spec_result.html", error=None, change=change))

    async def compare(self, visit: Visit) -> web.StreamResponse:
        """This version and the one before it over kept frames."""
        found = await visit.ask("compareSpec", self._path(visit))
        return visit.render("comparison.html", comparison=found)

    async def edit(self, visit: Visit) -> web.StreamResponse:
        """The editor: empty, with a spec as it is, or with a draft made from kept frames."""
        query = visit.request.query
        text, told = STARTER, ""
        if "spec" in query:
            name, _, version = query["spec"].partition("@")
            text = await visit.ask("getSpec", {"name": name, "version": version}, {"format": "yaml"})
            told = f"From {query['spec']}. A published version never changes: raise `version`."
        elif query.keys() & {"group", "meter"}:
            asked = {name: query[name] for name in ("group", "meter") if name in query}
            made = await visit.ask("draftSpec", body=asked)
            text = made.text
            seen = f"{counted(made.frames, 'kept frame')} with {counted(made.telegrams, 'telegram')}"
            told = f"Drafted from {seen}. Name it, and check what is marked as guessed."
            if made.guessed_units:
                told += f" No unit is on the wire for {', '.join(made.guessed_units)}: compare with the display."
        return visit.render("spec_edit.html", text=text, told=told)

    async def check(self, visit: Visit) -> web.StreamResponse:
        """What speaks against publishing what is in the editor."""
        text = (await visit.form()).get("text", "")
        return visit.render("spec_report.html", report=await visit.ask("validateSpec", body=_lines(text)))

    async def save(self, visit: Visit) -> web.StreamResponse:
        """Store what is in the editor as a draft, or publish it."""
        form = await visit.form()
        query = {"reason": form.get("reason"), "publish": "true" if form.get("how") == "publish" else None}
        if form.get("how") == "publish" and form.get("canary"):
            query["canary"] = form["canary"]
        try:
            change = await visit.ask("saveSpec", query=query, body=_lines(form.get("text", "")))
        except ApiError as error:
            if error.status not in (400, 409, 422):
                raise
            return visit.render("spec_result.html", error=error, change=None)
        return visit.render("spec_result.html", error=None, change=change)

    async def _spec(self, visit: Visit) -> web.StreamResponse:
        detail = await self._detail(visit)
        text = await visit.ask("getSpec", self._path(visit), {"format": "yaml"})
        template = "spec_life.html" if visit.partial else "spec.html"
        return visit.render(template, spec=detail, text=text, rollout=await self._rollout(visit))

    async def _detail(self, visit: Visit) -> Any:
        return await visit.ask("getSpec", self._path(visit))

    async def _rollout(self, visit: Visit) -> Any:
        if not visit.may("getRollout"):
            return None
        try:
            return await visit.ask("getRollout", self._path(visit))
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    @staticmethod
    def _path(visit: Visit) -> dict[str, str]:
        return {"name": visit.path["name"], "version": visit.path["version"]}


def spec_page(ref: str) -> str:
    """Where name@version is shown."""
    name, _, version = ref.partition("@")
    return f"/specs/{segment(name)}/{segment(version)}"


def _text(spec: Any) -> str:
    parts = (spec.spec, spec.version, spec.state, spec.protocol, spec.manufacturer, spec.product)
    return " ".join(str(part) for part in parts if part is not None).lower()


def _lines(text: str) -> bytes:
    # browsers send CR LF, which is not what the author wrote
    return text.replace("\r\n", "\n").encode()
