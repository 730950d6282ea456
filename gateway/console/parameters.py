"""Parameters of the fleet and of a device: where each value comes from, and changes that are checked as one types."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from gateway.console.desk import Desk, Visit, segment
from gateway.console.parameter_form import by_field, changes, fields
from gateway.problem import ApiError

WAIT_S = "3"
"""How long a change waits for the device's report before the page goes on; the rest comes live."""


class ParameterPages:
    """Pages and parts for the parameters of a scope."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page, device = self._desk.page, "/devices/{device}/parameters"
        return [
            web.get("/parameters", page(self.fleet)),
            web.get(device, page(self.show)),
            *(web.get(base + "/history", page(self.history)) for base in ("/parameters", device)),
            *(web.post(base + "/rollback", page(self.rollback)) for base in ("/parameters", device)),
            *(web.post(base, page(self.change)) for base in ("/parameters", device)),
            *(web.post(base + "/check", page(self.check)) for base in ("/parameters", device)),
        ]

    async def fleet(self, visit: Visit) -> web.StreamResponse:
        """The fleet's page, or the form in it."""
        return await self._shown(visit, template="parameters_form.html" if visit.partial else "parameters.html")

    async def show(self, visit: Visit) -> web.StreamResponse:
        """A device's form."""
        return await self._shown(visit)

    async def check(self, visit: Visit) -> web.StreamResponse:
        """Whether what is typed so far could be stored: one field's error, nothing is changed."""
        typed = await visit.form()
        scope = Scope(visit)
        document = await scope.read()
        wanted = changes(typed, document.layers[-1].parameters)
        errors = scope.refused(wanted)
        return visit.render(
            "parameters_check.html", errors=errors, fields=fields(document, typed, errors), base=scope.base
        )

    async def change(self, visit: Visit) -> web.StreamResponse:
        """Store what was typed, if nobody has changed it meanwhile."""
        typed = await visit.form()
        scope = Scope(visit)
        document = await scope.read()
        wanted = changes(typed, document.layers[-1].parameters)
        if not wanted:
            return await self._shown(visit, done="Nothing to change.")
        try:
            answer = await scope.patch(wanted, typed.get("reason"), typed.get("etag"))
        except ApiError as error:
            if error.status not in (412, 422):
                raise
            told = by_field(error.faults) if error.status == 422 else {}
            return await self._shown(visit, typed=typed, errors=told, refused=error.detail)
        return await self._shown(visit, done=scope.done(answer, list(wanted)))

    async def history(self, visit: Visit) -> web.StreamResponse:
        """The versions of a scope, each with what it changed."""
        scope = Scope(visit)
        return visit.render("parameters_history.html", scope=scope, versions=await scope.versions())

    async def rollback(self, visit: Visit) -> web.StreamResponse:
        """Bring an earlier version back, as a new one."""
        scope, version = Scope(visit), (await visit.form()).get("to", "")
        await scope.rollback(version)
        return await self._shown(visit, done=f"Version {version} is back.")

    async def _shown(
        self,
        visit: Visit,
        *,
        template: str = "parameters_form.html",
        typed: Mapping[str, str] | None = None,
        errors: Mapping[str, str] | None = None,
        **values: Any,
    ) -> web.StreamResponse:
        scope = Scope(visit)
        document = await scope.read()
        told = {"done": "", "refused": "", **values}
        etag = typed["etag"] if typed and not errors and "etag" in typed else document.etag
        return visit.render(
            template, history=scope.has_history, scope=scope, document=document,
            fields=fields(document, typed, errors), etag=etag, reason=(typed or {}).get("reason", ""),
            errors=errors or {}, **told,
        )  # fmt: skip


class Scope:
    """Whose parameters a request is about."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self.device = visit.path.get("device")
        self.name = self.device or "the fleet"
        self.base = f"/devices/{segment(self.device)}/parameters" if self.device else "/parameters"
        self._kind = "Device" if self.device else "Fleet"
        self._operation = f"{self._kind}Parameters"
        self._path = {"device": self.device} if self.device else {}

    @property
    def may_change(self) -> bool:
        """Whether the visitor's role covers a change."""
        return self._visit.may(f"patch{self._operation}")

    @property
    def has_history(self) -> bool:
        """Whether the API keeps and shows versions."""
        return self._visit.may(f"get{self._kind}ParameterHistory")

    async def versions(self) -> Any:
        """The newest versions."""
        found = await self._visit.ask(f"get{self._kind}ParameterHistory", self._path, {"limit": "50"})
        return found.items

    async def rollback(self, version: str) -> None:
        """Bring a version back. Raises ApiError."""
        await self._visit.ask(f"rollback{self._kind}Parameters", self._path, {"to": version, "wait_s": WAIT_S})

    async def read(self) -> Any:
        """The parameters as the API has them, with their ETag."""
        return await self._visit.ask(f"get{self._operation}", self._path)

    def refused(self, patch: Mapping[str, Any]) -> dict[str, str]:
        """What the API would refuse of a patch, by parameter."""
        route = self._visit.desk.route(f"patch{self._operation}")
        try:
            route.validated(self._visit.asked(body=dict(patch)))
        except ApiError as error:
            return by_field(error.faults)
        return {}

    async def patch(self, patch: Mapping[str, Any], reason: str | None, etag: str | None) -> Any:
        """Change them. Raises ApiError."""
        query = {"reason": reason, "wait_s": WAIT_S}
        return await self._visit.ask(f"patch{self._operation}", self._path, query, dict(patch), if_match=etag)

    def done(self, answer: Any, names: list[str]) -> str:
        """What came of a change, in a sentence."""
        what = ", ".join(names)
        if not self.device:
            pending = f", {len(answer.pending)} have not reported yet" if answer.pending else ""
            return f"Changed {what}: {len(answer.changed)} devices get it{pending}."
        report = answer.reported
        if report is None or answer.version is None or report.version < answer.version:
            return f"Changed {what}: version {answer.version} is published and waits for the device."
        if report.state == "refused":
            return f"Changed {what}, but the device refused version {report.version}."
        return f"Changed {what}: the device applied version {report.version}."
