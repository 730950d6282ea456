"""What the API takes and answers about commands."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, RootModel

from broker.contract.commands import COMMANDS, MAX_TIMEOUT_S
from broker.contract.messages import At, Name
from gateway.fleet.audience import MAX_TEXT
from gateway.models import MAX_WAIT_S, ApiModel, Fault, PageQuery, ReasonQuery, exactly_one

State = Literal["sent", "replied", "failed", "refused", "expired"]
STATES: tuple[State, ...] = ("sent", "replied", "failed", "refused", "expired")


class CommandQuery(ReasonQuery):
    """Who gives a command and why, how long it lives, and how long to wait for what comes of it."""

    timeout_s: int | None = Field(
        default=None, ge=1, le=MAX_TIMEOUT_S, description="After so long it is not begun any more; else by command."
    )
    wait_s: float = Field(default=0, ge=0, le=MAX_WAIT_S, description="Wait so long for the reply.")


class WaitQuery(ApiModel):
    """How long to wait for the end of a command."""

    wait_s: float = Field(default=0, ge=0, le=MAX_WAIT_S, description="Wait so long for the reply.")


class CommandArguments(RootModel[dict[str, Any]]):
    """The arguments of a command; an empty body is none."""


class CommandRequest(ApiModel):
    """One command for several devices: `devices` by name, or those whose labels a `selector` fits."""

    model_config = exactly_one("devices", "selector")

    command: Annotated[Name, Field(json_schema_extra={"enum": list(COMMANDS)})]
    arguments: dict[str, Any] = Field(default_factory=dict)
    devices: Annotated[tuple[Name, ...], Field(min_length=1, max_length=10_000)] | None = None
    selector: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)] | None = None


class CommandsQuery(PageQuery):
    """Which commands."""

    device: str | None = Field(default=None, description="Only those to this device.")
    command: str | None = Field(default=None, description="Only this command.")
    state: State | None = Field(default=None, description="Only those in this state.")
    batch: UUID | None = Field(default=None, description="Only those of one request; the answer then counts them.")


class CommandView(ApiModel):
    """A command and what came of it.

    `replied`: done; `failed`: begun and not done; `refused`: not begun; `expired`: no reply in time, which a late one
    still changes.
    """

    id: UUID
    batch: UUID
    device: str
    online: bool | None = Field(description="Whether the device is there now.")
    command: str
    arguments: dict[str, Any]
    author: str
    reason: str | None
    created_at: At
    expires_at: At
    published_at: At | None = Field(description="When the broker had it.")
    state: State
    replied_at: At | None
    result: dict[str, Any] | None
    error: str | None
    refusals: tuple[Fault, ...] = Field(description="Why the device refused it, by field.")


class CommandPage(ApiModel):
    """Commands, the newest first; `counts` by state where a batch was asked for."""

    items: tuple[CommandView, ...]
    next: str | None
    counts: dict[str, int] | None = None


class CommandBatch(ApiModel):
    """The commands of one request; GET /commands?batch= shows them one by one."""

    batch: UUID
    command: str
    devices: int
    counts: dict[str, int]
