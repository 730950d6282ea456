"""What the API answers about staged changes of parameters, and what it takes."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from broker.contract.messages import At
from gateway.api.parameters.models import MAX_VERSION
from gateway.desired.layers import ParameterPatch
from gateway.models import ApiModel, PageQuery, exactly_one
from gateway.parameters.edits import Edit, Patch, Rollback
from gateway.parameters.stages.plan import SETTLE_S, TIMEOUT_S, MemberState, StageState, Terms, parse_steps
from gateway.validation import WHOLE_NUMBER

DAY_S: Final = 86_400
ShownState = Literal[MemberState, "taken_back"]


class StageBody(ApiModel):
    """A change that goes to a share of its scope first: parameters to set, or a version to bring back."""

    model_config = exactly_one("parameters", "rollback_to")

    parameters: ParameterPatch | None = Field(
        default=None, description="Parameters to set; null gives one back to the layers below."
    )
    rollback_to: Annotated[int, Field(ge=0, le=MAX_VERSION, strict=True), WHOLE_NUMBER] | None = Field(
        default=None, description="In place of parameters: the version to bring back."
    )
    steps: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)] = Field(
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

    def edit(self) -> Edit:
        """What is to be changed."""
        if self.parameters is None:
            return Rollback(self.rollback_to)
        given = self.parameters
        return Patch(given.model_dump(mode="json", include=set(given.model_fields_set)))

    def terms(self) -> Terms:
        """How it goes on. Raises Refusal: invalid, by step."""
        return Terms(parse_steps(self.steps), self.settle_s, self.timeout_s, self.max_failed_percent)


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
    software: int | None = Field(
        description="The version of its desired software with it; null where that is as before."
    )
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
