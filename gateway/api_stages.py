"""Routes about staged changes of parameters: begun by scope, looked at, paused, resumed and aborted."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from broker.errors import ContractError
from broker.messages import At
from gateway.api_cursors import CURSOR_FIX, page_of, text_cursor
from gateway.api_models import MAX_VERSION, WHOLE, ApiModel, PageQuery, exactly_one
from gateway.api_parameters import SCOPES, fields_of
from gateway.api_route import Answer, Call, Route
from gateway.database import Connection
from gateway.desired import configuring
from gateway.history import newest_version, version_of
from gateway.layering import latest_layer, read_layer
from gateway.layers import Layer, ParameterPatch, Problem, differences
from gateway.problem import ApiError, invalid, not_found, refused, wrong
from gateway.publisher import Publisher
from gateway.scopes import Scope, check_layer, find_scope, require_unstaged
from gateway.spec_models import LifeQuery
from gateway.sql import load
from gateway.stage_plan import SETTLE_S, TIMEOUT_S, MemberState, Stage, StageState, parse_steps
from gateway.stage_store import Draft, find_stage
from gateway.stages import Stages
from store.pool import Pool

MEDIA: Final = ("application/json",)
DAY_S: Final = 86_400
ShownState = Literal[MemberState, "taken_back"]
Act = Callable[..., Awaitable[list[str]]]


class StageBody(ApiModel):
    """A change that goes to a share of its scope first: parameters to set, or a version to bring back."""

    model_config = exactly_one("parameters", "rollback_to")

    parameters: ParameterPatch | None = Field(
        default=None, description="Parameters to set; null gives one back to the layers below."
    )
    rollback_to: Annotated[int, Field(ge=0, le=MAX_VERSION, strict=True), WHOLE] | None = Field(
        default=None, description="In place of parameters: the version to bring back."
    )
    steps: Annotated[tuple[str, ...], Field(min_length=1, max_length=16)] = Field(
        default=("10%", "50%", "100%"),
        description="Who gets it in each step: a share (10%), labels (site=warsaw) or devices (pi-1,pi-2). The last "
        "step is the whole scope, and is added where it is missing.",
    )
    settle_s: float = Field(default=SETTLE_S, ge=0, le=DAY_S, description="How long a device must do well.")
    timeout_s: float = Field(default=TIMEOUT_S, gt=0, le=7 * DAY_S, description="How long a report is waited for.")
    max_failed_percent: float = Field(
        default=0, ge=0, le=100, description="More failures of those that have the change roll it back."
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> "StageBody":
        if (self.parameters is None) == (self.rollback_to is None):
            raise ValueError("give either parameters or rollback_to")
        return self


class StageView(ApiModel):
    """A staged change and how the devices that have it took it."""

    id: int
    scope: str
    state: StageState
    changes: tuple[str, ...] = Field(description="Names of the parameters that it changes.")
    values: dict[str, Any] = Field(description="What they become; null for what is given back to the layers below.")
    step: int = Field(description="The step in hand, from 1.")
    steps: tuple[str, ...]
    devices: int = Field(description="Devices that have it.")
    pending: int
    healthy: int
    unchanged: int = Field(description="Devices for which it changes nothing, as layers above say otherwise.")
    unreachable: int
    failed: int
    max_failed_percent: float
    settle_s: float
    timeout_s: float
    why: str | None = Field(description="Why it is paused, rolled back or aborted.")
    version: int | None = Field(description="The version that it became.")
    author: str
    reason: str | None
    created_at: At
    step_at: At
    changed_at: At


class StageDevice(ApiModel):
    """A device that has a staged change, or had it until it was `taken_back`; `version` is the desired one with it."""

    device: str
    step: int
    version: int | None
    state: ShownState
    why: str | None
    given_at: At
    applied_at: At | None


class StagePage(ApiModel):
    """Staged changes, the newest first."""

    items: tuple[StageView, ...]
    next: str | None


class StageDevicePage(ApiModel):
    """Devices of a staged change by name."""

    items: tuple[StageDevice, ...]
    next: str | None


class StagesQuery(PageQuery):
    """Which staged changes."""

    state: StageState | None = Field(default=None, description="Only those in this state.")


class StageDevicesQuery(PageQuery):
    """Which devices of a staged change."""

    state: ShownState | None = Field(default=None, description="Only those in this state.")


class StageRoutes:
    """Staged changes; each step of one is a transaction, told as an event."""

    def __init__(self, pool: Pool, publisher: Publisher, stages: Stages) -> None:
        self._pool = pool
        self._publisher = publisher
        self._stages = stages

    def routes(self) -> list[Route]:
        """The routes served here."""
        one, fields = "/stages/{stage}", {"stage": "The number of the staged change."}
        begun = [
            Route("POST", f"{path}:stage", f"stage{name}Parameters",
                  f"Change parameters of {whose} in steps, going on while devices do well.", self.begin, StageView,
                  LifeQuery, StageBody, fields_of(path), media=MEDIA)
            for path, name, whose, _ in SCOPES if name != "Device"
        ]  # fmt: skip
        acts = [
            Route("POST", f"{one}:{verb}", f"{verb}Stage", told, self._acting(verb), StageView, LifeQuery, None, fields)
            for verb, told in (
                ("pause", "Pause a staged change; devices keep what they have."),
                ("resume", "Resume a staged change; the step's time begins anew, and who failed gets another chance."),
                ("abort", "Abort a staged change; it is taken back from all devices that have it."),
            )
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
        body, steps = _read(call)
        async with configuring(self._pool) as connection:
            scope = await find_scope(connection, call.path)
            await require_unstaged(connection, scope)
            before = await latest_layer(connection, scope.key)
            layer = await self._layer(connection, scope, before, body)
            await check_layer(connection, scope, before, layer)
            draft = Draft(
                scope=scope.key,
                base=await newest_version(connection, scope.key),
                document=layer.document(),
                changes=tuple(one.field for one in differences(before, layer)),
                steps=steps,
                settle_s=body.settle_s,
                timeout_s=body.timeout_s,
                max_failed=body.max_failed_percent,
                author=call.query.author,
                reason=call.query.reason,
            )
            stage, changed = await self._stages.begin(connection, scope, draft)
            view = await _view(connection, stage.id)
        self._publisher.mark(*changed)
        return Answer(view)

    async def _layer(self, connection: Connection, scope: Scope, before: Layer, body: StageBody) -> Layer:
        if body.rollback_to is not None:
            layer = await version_of(connection, scope.key, body.rollback_to, self._publisher.shelf)
        else:
            given: Any = body.parameters
            layer = before.patched(given.model_dump(mode="json", include=set(given.model_fields_set)))
        if layer == before:
            raise wrong("parameters", f"{scope.key} says this already", "nothing is left to change")
        return layer

    async def page(self, call: Call) -> Answer:
        """GET /stages."""
        query: StagesQuery = call.query
        rows = await self._pool.fetch(load("list_stages"), _before(query), query.state, query.limit + 1)
        page, more = page_of(rows, query.limit, "id")
        return Answer(StagePage(items=tuple(_stage_view(row) for row in page), next=more))

    async def get(self, call: Call) -> Answer:
        """GET /stages/{stage}."""
        async with self._pool.acquire() as connection:
            return Answer(await _view(connection, _number(call)))

    async def devices(self, call: Call) -> Answer:
        """GET /stages/{stage}/devices."""
        query: StageDevicesQuery = call.query
        async with self._pool.acquire() as connection:
            await _found(connection, call)
            rows = await connection.fetch(
                load("list_stage_devices"), _number(call), text_cursor(query), query.state, query.limit + 1
            )
        page, more = page_of(rows, query.limit, "device")
        return Answer(StageDevicePage(items=tuple(StageDevice.model_validate(dict(row)) for row in page), next=more))

    def _acting(self, verb: str) -> Callable[[Call], Awaitable[Answer]]:
        """POST /stages/{stage}:pause, :resume and :abort; the same again changes nothing."""
        act: Act = getattr(self._stages, verb)
        done, allowed = {
            "pause": ("paused", ("running",)),
            "resume": ("running", ("paused",)),
            "abort": ("aborted", ("running", "paused")),
        }[verb]

        async def handle(call: Call) -> Answer:
            changed: list[str] = []
            async with configuring(self._pool) as connection:
                stage = await _found(connection, call)
                if stage.state in allowed:
                    changed = await act(connection, stage, author=call.query.author, reason=call.query.reason)
                elif stage.state != done:
                    fault = Problem(
                        "stage", f"staged change {stage.id} is {stage.state}", f"GET /api/v1/stages/{stage.id} says why"
                    )
                    raise ApiError(409, f"{fault.reason}: it can't {verb}", [fault])
                view = await _view(connection, stage.id)
            self._publisher.mark(*changed)
            return Answer(view)

        return handle


def _read(call: Call) -> tuple[StageBody, tuple[str, ...]]:
    try:
        body = _BODY.validate_json(call.body, strict=True)
        return body, parse_steps(body.steps)
    except ValidationError as error:
        raise invalid(error, list(StageBody.model_fields)) from error
    except ContractError as error:
        raise refused(error) from error


_BODY: Final = TypeAdapter(StageBody)


def _before(query: StagesQuery) -> int:
    match query.cursor:
        case None:
            return 2**31 - 1
        case [int() as number] if 0 < number < 2**31:
            return number
    raise wrong("cursor", "this is no cursor of this list", CURSOR_FIX)


def _number(call: Call) -> int:
    text = call.path["stage"]
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise not_found("stage", text)
    return int(text)


async def _found(connection: Connection, call: Call) -> Stage:
    stage = await find_stage(connection, _number(call))
    if stage is None:
        raise not_found("stage", call.path["stage"])
    return stage


async def _view(connection: Connection, number: int) -> StageView:
    row = await connection.fetchrow(load("stage_view"), number)
    if row is None:
        raise not_found("stage", str(number))
    return _stage_view(row)


def _stage_view(row: Any) -> StageView:
    own = read_layer(row["document"]).parameters
    facts = {name: row[name] for name in StageView.model_fields if name != "values"}
    return StageView.model_validate({**facts, "values": {name: own.get(name) for name in row["changes"]}})
