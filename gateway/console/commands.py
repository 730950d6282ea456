"""Commands to a device: giving one, and what came of the newest."""

import json
from typing import Any

from aiohttp import web

from broker.contract.commands import COMMANDS
from gateway.console.browser import BrowserRequest, ConsoleApi
from gateway.faults import Kind, Refusal

NEWEST = "10"


class CommandPages:
    """GET and POST /devices/{device}/commands."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        path = "/devices/{device}/commands"
        return [web.get(path, self._console.page(self.show)), web.post(path, self._console.page(self.give))]

    async def show(self, browser: BrowserRequest) -> web.StreamResponse:
        """The form and the newest commands."""
        return await self._shown(browser)

    async def give(self, browser: BrowserRequest) -> web.StreamResponse:
        """Give one."""
        form = await browser.form()
        text = form.get("arguments", "").strip()
        try:
            arguments: Any = json.loads(text) if text else {}
        except ValueError as error:
            return await self._shown(
                browser, refused=f'arguments: this is not valid JSON ({error}); write {{"name": value}}', form=form
            )
        path = {"device": browser.path["device"], "command": form.get("command", "")}
        try:
            await browser.ask("giveCommand", path, {"reason": form.get("reason")}, arguments)
        except Refusal as error:
            if error.kind not in (Kind.CONFLICT, Kind.INVALID):
                raise
            return await self._shown(browser, refused=_in_form(error), form=form)
        return await self._shown(browser)

    async def _shown(
        self, browser: BrowserRequest, refused: str = "", form: dict[str, str] | None = None
    ) -> web.StreamResponse:
        device = browser.path["device"]
        found = await browser.ask("listCommands", query={"device": device, "limit": NEWEST})
        return browser.render(
            "commands.html", device=device, commands=found.items, known=list(COMMANDS), refused=refused, form=form or {}
        )


def _in_form(error: Refusal) -> str:
    """What the API says, in the form's own words: the request's body is its field of arguments."""
    said = (fault.field.replace("body", "arguments", 1) + f": {fault.reason}" for fault in error.faults)
    return "; ".join(said) if error.faults else error.detail
