"""Routes about staged changes of parameters: begun by scope, listed, paused, resumed and aborted."""

from collections.abc import Awaitable, Callable
from typing import Final

from pydantic import TypeAdapter, ValidationError

from gateway.api.pages import CURSOR_FIX, page_of, text_cursor
from gateway.api.parameters.routes import SCOPES, fields_of
from gateway.api.parameters.stage_models import (
    StageBody,
    StageDevice,
    StageDevicePage,
    StageDevicesQuery,
    StagePage,
    StagesQuery,
    StageView,
)
from gateway.api.route import Answer, Call, Route
from gateway.desired.change import Configuration
from gateway.faults import invalid, unknown
from gateway.models import ReasonQuery
from gateway.parameters.scopes import find_scope
from gateway.parameters.stages.plan import Verb
from gateway.parameters.stages.run import Stages
from gateway.parameters.stages.store import StageOverview, member_page, require_stage, stage_overview, stage_page
from gateway.validation import mismatch
from store.pool import Pool
from store.sql import Database

MEDIA: Final = ("application/json",)
ACTS: Final[tuple[tuple[Verb, str], ...]] = (
    ("pause", "Pause a staged change; devices keep what they have."),
    ("resume", "Resume a staged change; the step's time begins anew, and who failed gets another chance."),
    ("abort", "Abort a staged change; it is taken back from all devices that have it."),
)
"""What a person may do to a staged change, and what it is."""


class StageRoutes:
    """Staged changes; each step of one is a transaction, with its event."""

    def __init__(self, pool: Pool, configuration: Configuration, stages: Stages) -> None:
        self._pool = pool
        self._configuration = configuration
        self._stages = stages

    def routes(self) -> list[Route]:
        """The routes served here."""
        one, fields = "/stages/{stage}", {"stage": "The number of the staged change."}
        begun = [
            Route("POST", f"{path}:stage", f"stage{name}Parameters",
                  f"Change parameters of {whose} in steps, going on while devices do well.", self.begin, StageView,
                  ReasonQuery, StageBody, fields_of(path), media=MEDIA)
            for path, name, whose, _ in SCOPES if name != "Device"
        ]  # fmt: skip
        acts = [
            Route(
                "POST", f"{one}:{verb}", f"{verb}Stage", does, self._acting(verb), StageView, ReasonQuery, None, fields
            )
            for verb, does in ACTS
        ]
        return [
            *begun,
            Route("GET", "/stages", "listStages", "Staged changes, the newest first.", self.page, StagePage,
                  StagesQuery),
            Route("GET", one, "getStage", "A staged change.", self.get, StageView, None, None, fields),
            Route("GET", f"{one}/devices", "listStageDevices", "Devices of a staged change by name.", self.devices,
                  StageDevicePage, StageDevicesQuery, None, fields),
            *acts,
        ]  # fmt: skip

    async def begin(self, call: Call) -> Answer:
        """POST .../parameters:stage."""
        body = _read(call)
        edit, terms = body.edit(), body.terms()
        async with self._configuration.changing() as change:
            scope = await find_scope(change.connection, call.path)
            who = {"author": call.query.author, "reason": call.query.reason}
            stage = await self._stages.begin(change, scope, edit, terms, **who)
            view = await _view(change.connection, stage.id)
        return Answer(view)

    async def page(self, call: Call) -> Answer:
        """GET /stages."""
        query: StagesQuery = call.query
        rows = await stage_page(self._pool, _before(query), query.state, query.limit + 1)
        page, more = page_of(rows, query.limit, "id")
        return Answer(StagePage(items=tuple(_stage_view(row) for row in page), next=more))

    async def get(self, call: Call) -> Answer:
        """GET /stages/{stage}."""
        return Answer(await _view(self._pool, _number(call)))

    async def devices(self, call: Call) -> Answer:
        """GET /stages/{stage}/devices."""
        query: StageDevicesQuery = call.query
        async with self._pool.acquire() as connection:
            stage = await require_stage(connection, _number(call))
            rows = await member_page(connection, stage.id, text_cursor(query), query.state, query.limit + 1)
        page, more = page_of(rows, query.limit, "device")
        return Answer(
            StageDevicePage(
                items=tuple(StageDevice.model_validate(row, from_attributes=True) for row in page), next=more
            )
        )

    def _acting(self, verb: Verb) -> Callable[[Call], Awaitable[Answer]]:
        """POST /stages/{stage}:pause, :resume and :abort; the same again changes nothing."""

        async def handle(call: Call) -> Answer:
            number, who = _number(call), {"author": call.query.author, "reason": call.query.reason}
            async with self._configuration.changing() as change:
                await self._stages.act(change, number, verb, **who)
                view = await _view(change.connection, number)
            return Answer(view)

        return handle


def _read(call: Call) -> StageBody:
    try:
        return _BODY.validate_json(call.body, strict=True)
    except ValidationError as error:
        raise mismatch(error, list(StageBody.model_fields)) from error


_BODY: Final = TypeAdapter(StageBody)


def _before(query: StagesQuery) -> int:
    match query.cursor:
        case None:
            return 2**31 - 1
        case [int() as number] if 0 < number < 2**31:
            return number
    raise invalid("cursor", "this is no cursor of this list", CURSOR_FIX)


def _number(call: Call) -> int:
    text = call.path["stage"]
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise unknown("stage", text)
    return int(text)


async def _view(database: Database, number: int) -> StageView:
    found = await stage_overview(database, number)
    if found is None:
        raise unknown("stage", str(number))
    return _stage_view(found)


def _stage_view(found: StageOverview) -> StageView:
    facts = {name: getattr(found, name) for name in StageView.model_fields if name != "values"}
    values = {name: found.layer.parameters.get(name) for name in found.changes}
    return StageView.model_validate({**facts, "values": values})
