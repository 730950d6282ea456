"""Routes that give commands to devices and tell what came of them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from broker.contract.commands import COMMANDS
from gateway import models
from gateway.api.pages import CURSOR_FIX
from gateway.api.route import Answer, Call, Route
from gateway.commands.models import (
    CommandArguments,
    CommandBatch,
    CommandPage,
    CommandQuery,
    CommandRequest,
    CommandsQuery,
    CommandView,
    WaitQuery,
)
from gateway.commands.orders import Commands, PendingCommand, targets
from gateway.commands.store import StoredCommand
from gateway.faults import invalid, unknown
from gateway.models import encode_cursor
from gateway.validation import mismatch
from store.pool import Pool

MEDIA = ("application/json",)
ONE = "/devices/{device}/commands/{command}"


class CommandRoutes:
    """Commands: for one device, for many, and their history."""

    def __init__(self, pool: Pool, commands: Commands) -> None:
        self._pool = pool
        self._commands = commands

    def routes(self) -> list[Route]:
        """The routes served here."""
        known = ", ".join(COMMANDS)
        fields = {"device": "The device's id.", "command": f"One of {known}."}
        one = "Give a device a command, and wait for its reply where `wait_s` says so."
        many = "Give several devices a command, all or none of them."
        return [
            Route("POST", ONE, "giveCommand", one, self.give, CommandView, CommandQuery, CommandArguments, fields,
                  media=MEDIA),
            Route("POST", "/commands", "giveCommands", many, self.give_many, CommandBatch, CommandQuery, CommandRequest,
                  media=MEDIA),
            Route("GET", "/commands", "listCommands", "Commands, the newest first.", self.page, CommandPage,
                  CommandsQuery),
            Route("GET", "/commands/{id}", "getCommand", "A command and what came of it.", self.one, CommandView,
                  WaitQuery, path_fields={"id": "The command's id."}),
        ]  # fmt: skip

    async def give(self, call: Call) -> Answer:
        """POST /devices/{device}/commands/{command}."""
        try:
            arguments = CommandArguments.model_validate_json(call.body or b"{}", strict=True).root
        except ValidationError as error:
            raise mismatch(error, ["the command's arguments"]) from error
        device = call.path["device"]
        batch = await self._commands.give(_order(call.path["command"], arguments, call.query), [device])
        await self._commands.wait(batch, call.query.wait_s)
        [row] = await self._commands.page(batch=batch, limit=1)
        return Answer(_view(row))

    async def give_many(self, call: Call) -> Answer:
        """POST /commands."""
        try:
            request = CommandRequest.model_validate_json(call.body, strict=True)
        except ValidationError as error:
            raise mismatch(error, list(CommandRequest.model_fields)) from error
        devices = await targets(self._pool, request.devices, request.selector)
        batch = await self._commands.give(_order(request.command, request.arguments, call.query), devices)
        await self._commands.wait(batch, call.query.wait_s)
        counts = await self._commands.counts(batch)
        return Answer(CommandBatch(batch=batch, command=request.command, devices=len(devices), counts=counts))

    async def page(self, call: Call) -> Answer:
        """GET /commands."""
        query: CommandsQuery = call.query
        rows = await self._commands.page(
            batch=query.batch,
            device=query.device,
            command=query.command,
            state=query.state,
            after=_after(query),
            limit=query.limit + 1,
        )
        items = tuple(_view(row) for row in rows[: query.limit])
        more = len(rows) > query.limit
        counts = None if query.batch is None else await self._commands.counts(query.batch)
        following = encode_cursor(items[-1].created_at.isoformat(), items[-1].id) if more else None
        return Answer(CommandPage(items=items, next=following, counts=counts))

    async def one(self, call: Call) -> Answer:
        """GET /commands/{id}."""
        try:
            command_id = UUID(call.path["id"])
        except ValueError as error:
            raise unknown("command", call.path["id"]) from error
        await self._commands.wait(command_id, call.query.wait_s)
        rows = await self._commands.page(command_id=command_id, limit=1)
        if not rows:
            raise unknown("command", call.path["id"])
        return Answer(_view(rows[0]))


def _order(command: str, arguments: dict[str, Any], query: CommandQuery) -> PendingCommand:
    return PendingCommand(command, arguments, query.author, query.reason, query.timeout_s)


def _after(query: CommandsQuery) -> tuple[datetime, UUID] | None:
    if query.cursor is None:
        return None
    try:
        created_at, command_id = query.cursor
        instant = datetime.fromisoformat(created_at)
        if instant.tzinfo is None:
            raise ValueError("no offset")  # noqa: TRY301 - told like any other wrong cursor
        return instant, UUID(command_id)
    except (ValueError, TypeError, AttributeError) as error:
        raise invalid("cursor", "this is no cursor of this list", CURSOR_FIX) from error


def _view(row: StoredCommand) -> CommandView:
    same = ("id", "batch", "device", "online", "command", "arguments", "author", "reason", "created_at", "expires_at",
            "published_at", "state", "replied_at")  # fmt: skip
    reasons = row.reply.reasons if row.reply else ()
    return CommandView(
        **{name: getattr(row, name) for name in same},
        result=row.reply.result if row.reply else None,
        error=row.reply.error if row.reply else None,
        refusals=tuple(models.Fault(field=one.field, reason=one.reason) for one in reasons),
    )
