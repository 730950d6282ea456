"""Parameters of fleet, group and device: where each value comes from, and changes that are checked as one types."""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi
from gateway.console.parameter_form import by_field, changes, fields, staged
from gateway.console.parameter_scope import Scope
from gateway.faults import Kind, Refusal

BASES: Final = ("/parameters", "/groups/{group}/parameters", "/devices/{device}/parameters")


class ParameterPages:
    """Pages and parts for the parameters of a scope."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._console.page
        return [
            web.get("/parameters", page(self.fleet)),
            *(web.get(base, page(self.show)) for base in BASES[1:]),
            *(web.get(base + "/history", page(self.history)) for base in BASES),
            *(web.post(base, page(self.change)) for base in BASES),
            *(web.post(base + "/rollback", page(self.rollback)) for base in BASES),
            *(web.post(base + "/check", page(self.check)) for base in BASES),
            *(web.post(base + "/stage", page(self.stage)) for base in BASES[:2]),
        ]

    async def fleet(self, browser: BrowserRequest) -> web.StreamResponse:
        """The fleet's page, or the form in it."""
        return await self._shown(browser, template="parameters_form.html" if browser.partial else "parameters.html")

    async def show(self, browser: BrowserRequest) -> web.StreamResponse:
        """The form of a group or a device."""
        return await self._shown(browser)

    async def check(self, browser: BrowserRequest) -> web.StreamResponse:
        """Whether what is typed so far could be stored: one field's error, nothing is changed."""
        typed = await browser.form()
        scope = Scope(browser)
        document = await scope.read()
        wanted = changes(typed, document.layers[-1].parameters)
        errors = scope.refused(wanted)
        return browser.render(
            "parameters_check.html", errors=errors, fields=fields(document, typed, errors), base=scope.base
        )

    async def change(self, browser: BrowserRequest) -> web.StreamResponse:
        """Store what was typed, if nobody has changed it meanwhile."""
        typed = await browser.form()
        scope = Scope(browser)
        document = await scope.read()
        wanted = changes(typed, document.layers[-1].parameters)
        if not wanted:
            return await self._shown(browser, done="No changes to save.")
        try:
            answer = await scope.patch(wanted, typed.get("reason"), typed.get("etag"))
        except Refusal as error:
            return await self._refused(browser, typed, error)
        return await self._shown(browser, done=scope.done(answer, list(wanted)))

    async def stage(self, browser: BrowserRequest) -> web.StreamResponse:
        """Give what was typed to a share first, and show how that goes on."""
        typed = await browser.form()
        scope = Scope(browser)
        document = await scope.read()
        wanted = changes(typed, document.layers[-1].parameters)
        if not wanted:
            return await self._shown(browser, typed=typed, refused="Nothing to roll out: change a parameter first.")
        try:
            begun = await scope.stage(staged(typed, wanted), typed.get("reason"))
        except Refusal as error:
            return await self._refused(browser, typed, error)
        return browser.go(f"/stages/{begun.id}")

    async def _refused(self, browser: BrowserRequest, typed: Mapping[str, str], error: Refusal) -> web.StreamResponse:
        """The form with what was typed, and why it can't be done. Raises what is no fault of a person's."""
        if error.kind not in (Kind.CONFLICT, Kind.STALE, Kind.INVALID):
            raise error
        told = by_field(error.faults) if error.kind is Kind.INVALID else {}
        return await self._shown(browser, typed=typed, errors=told, refused=error.detail)

    async def history(self, browser: BrowserRequest) -> web.StreamResponse:
        """The versions of a scope, each with what it changed."""
        scope = Scope(browser)
        return browser.render("parameters_history.html", scope=scope, versions=await scope.versions())

    async def rollback(self, browser: BrowserRequest) -> web.StreamResponse:
        """Bring an earlier version back, as a new one."""
        scope, version = Scope(browser), (await browser.form()).get("to", "")
        await scope.rollback(version)
        return await self._shown(browser, done=f"Version {version} is restored.")

    async def _shown(
        self,
        browser: BrowserRequest,
        *,
        template: str = "parameters_form.html",
        typed: Mapping[str, str] | None = None,
        errors: Mapping[str, str] | None = None,
        **values: Any,
    ) -> web.StreamResponse:
        scope = Scope(browser)
        document = await scope.read()
        told = {"done": "", "refused": "", **values}
        etag = typed["etag"] if typed and not errors and "etag" in typed else document.etag
        return browser.render(
            template, history=scope.has_history, scope=scope, document=document,
            fields=fields(document, typed, errors), etag=etag, typed=typed or {}, errors=errors or {}, **told,
        )  # fmt: skip
