"""What is asked and answered about spec versions for a part of the fleet, and the limits by which they are judged."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from broker.contract.messages import At
from gateway.models import ApiModel, ReasonQuery

RolloutState = Literal["canary", "released", "withdrawn"]
Seconds = Annotated[float, Field(ge=1, le=7 * 86400)]
Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Power = Annotated[float, Field(ge=0, le=1e9)]
AudienceText = Annotated[str, Field(min_length=1, max_length=16_384)]
_LIMITS = {
    "window_s": "How far back it is looked at, and how long the time before it that it is compared with.",
    "least_telegrams": "Telegrams after which shares of telegrams count.",
    "undecodable_percent": "Of the telegrams, more than before and elsewhere.",
    "refused_percent": "Telegrams with values that the spec itself refuses, more than before and elsewhere.",
    "implausible_percent": "Of the meters: registers that fall or jump, values beyond reason, impossible times.",
    "silent_percent": "Of the meters that gave readings before, more than elsewhere.",
    "silence_s": "A meter is silent after so long and three of its own intervals.",
    "max_kw": "No meter takes or gives more, whatever its fuse; 0 looks for no jumps, as where a scale is mended.",
}


class Limits(BaseModel):
    """By how much a canary may be worse; nested settings, written ROLLOUT__WINDOW_S and so on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_s: Seconds = 900
    """How far back a canary is looked at, and how long the time before it that it is compared with."""
    least_telegrams: Count = 20
    """Telegrams after which shares of telegrams count."""
    undecodable_percent: Percent = 5
    """Telegrams that it can't decode, in percent above those before and elsewhere, that withdraw it."""
    refused_percent: Percent = 10
    """Telegrams with values that it refuses, in percent above those before and elsewhere, that withdraw it."""
    implausible_percent: Percent = 10
    """Meters whose registers fall or jump or whose values are beyond reason, in percent, that withdraw it."""
    silent_percent: Percent = 20
    """Meters that fell silent, in percent above those elsewhere, that withdraw it."""
    silence_s: Seconds = 300
    """A meter is silent after so long and three of its own intervals."""
    max_kw: Power = 300
    """No meter takes or gives more, whatever its fuse; 0 looks for no jumps."""


class LimitsQuery(ReasonQuery):
    """Who, why, and where this version is judged otherwise than the gateway's settings say."""

    window_s: Seconds | None = Field(default=None, description=_LIMITS["window_s"])
    least_telegrams: Count | None = Field(default=None, description=_LIMITS["least_telegrams"])
    undecodable_percent: Percent | None = Field(default=None, description=_LIMITS["undecodable_percent"])
    refused_percent: Percent | None = Field(default=None, description=_LIMITS["refused_percent"])
    implausible_percent: Percent | None = Field(default=None, description=_LIMITS["implausible_percent"])
    silent_percent: Percent | None = Field(default=None, description=_LIMITS["silent_percent"])
    silence_s: Seconds | None = Field(default=None, description=_LIMITS["silence_s"])
    max_kw: Power | None = Field(default=None, description=_LIMITS["max_kw"])

    def limits(self) -> dict[str, float]:
        """Those that are given."""
        given = {name: getattr(self, name) for name in Limits.model_fields}
        return {name: value for name, value in given.items() if value is not None}


class PublishQuery(LimitsQuery):
    """Who publishes a spec and why, and for whom first."""

    canary: AudienceText | None = Field(
        default=None,
        description="For a part of the fleet first: devices (pi-1,pi-2), labels (site=warsaw) or a share (10%).",
    )


class SaveQuery(PublishQuery):
    """Who stores a spec and why, and whether it is published at once."""

    publish: bool = Field(default=False, description="Publish it; otherwise it is kept as a draft.")


class RolloutQuery(LimitsQuery):
    """Who gets a canary now, and by which limits it is judged; what is left out stays."""

    to: AudienceText | None = Field(default=None, description="Devices, labels or a share of the fleet.")


class WithdrawQuery(ReasonQuery):
    """Who withdraws a spec, and why."""

    reason: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")


class RolloutsQuery(ApiModel):
    """Which rollouts."""

    state: RolloutState | None = Field(default=None, description="Only those in this state.")


class RolloutStep(ApiModel):
    """What a person or the system did; `figures` are those by which the system did it."""

    state: RolloutState
    audience: str
    author: str
    reason: str | None
    at: At
    figures: dict[str, Any]


class RolloutSummary(ApiModel):
    """A spec version that is or was for a part of the fleet, and how it fares: now, before it, and elsewhere."""

    spec: str
    version: int
    state: RolloutState
    audience: str
    author: str
    reason: str | None
    started_at: At
    changed_at: At
    meters: int = Field(description="Meters that have it.")
    devices: int
    figures: dict[str, Any] = Field(description="As last judged; empty before.")
    judged_at: At | None


class RolloutPage(ApiModel):
    """All rollouts, the newest change first; at most a thousand."""

    items: tuple[RolloutSummary, ...]


class RolloutDetail(RolloutSummary):
    """A rollout with its limits, devices and steps."""

    limits: dict[str, float] = Field(description="By which it is judged, its own among them.")
    device_names: tuple[str, ...] = Field(description="The first hundred devices that have it.")
    steps: tuple[RolloutStep, ...]
