"""Commands to a device: giving one, and what came of the newest."""

import json
from typing import Any

from aiohttp import web

from broker.commands import COMMANDS
from gateway.console.desk import Desk, Visit
from gateway.problem import ApiError

NEWEST = "10"


class CommandPages:
    """GET and POST /devices/{device}/commands."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        path = "/devices/{device}/commands"
        return [web.get(path, self._desk.page(self.show)), web.post(path, self._desk.page(self.give))]

    async def show(self, visit: Visit) -> web.StreamResponse:
        """The form and the newest commands."""
        return await self._shown(visit)

    async def give(self, visit: Visit) -> web.StreamResponse:
        """Give one."""
        form = await visit.form()
        text = form.get("arguments", "").strip()
        try:
            arguments: Any = json.loads(text) if text else {}
        except ValueError as error:
            return await self._shown(
                visit, refused=f'arguments: this is not valid JSON ({error}); write {{"name": value}}', form=form
            )
        path = {"device": visit.path["device"], "command": form.get("command", "")}
        try:
            await visit.ask("giveCommand", path, {"reason": form.get("reason")}, arguments)
        except ApiError as error:
            if error.status not in (409, 422):
                raise
            return await self._shown(visit, refused=_in_form(error), form=form)
        return await self._shown(visit)

    async def _shown(self, visit: Visit, refused: str = "", form: dict[str, str] | None = None) -> web.StreamResponse:
        device = visit.path["device"]
        found = await visit.ask("listCommands", query={"device": device, "limit": NEWEST})
        return visit.render(
            "commands.html", device=device, commands=found.items, known=list(COMMANDS), refused=refused, form=form or {}
        )


def _in_form(error: ApiError) -> str:
    """What the API says, in the form's own words: the request's body is its field of arguments."""
    said = (fault.field.replace("body", "arguments", 1) + f": {fault.reason}" for fault in error.faults)
    return "; ".join(said) if error.faults else error.detail
