"""What the API answers about meters that more than one device registers, and what people say to that."""

from typing import Literal

from pydantic import Field

from broker.contract.messages import At
from gateway.models import MAX_PAGE, PAGE, ApiModel, Instant, ReasonQuery

DEVICE = Field(min_length=1, max_length=64, description="The device that registers the meter too.")


class MeterClaimsQuery(ApiModel):
    """Which claims."""

    meter: str | None = Field(default=None, max_length=96, description="Only of this meter.")
    device: str | None = Field(default=None, max_length=64, description="Only by this device.")
    limit: int = Field(default=PAGE, ge=1, le=MAX_PAGE, description="The newest so many.")


class MeterClaimView(ApiModel):
    """A device registers a meter that stands at another one's port."""

    meter: str
    owner: str | None = Field(description="The device whose the meter is.")
    device: str
    since: At = Field(description="Since when the device says that it hears the meter.")
    claimed_at: At
    seen_at: At = Field(description="When it said so last.")
    state: Literal["waiting", "disputed", "refused", "withdrawn"] = Field(
        description="disputed: the owner has read the meter since; refused: a person said no."
    )
    disputed_at: At | None
    refused_at: At | None
    refused_by: str | None


class MeterClaimList(ApiModel):
    """Claims, the newest first."""

    items: tuple[MeterClaimView, ...]


class RefuseQuery(ReasonQuery):
    """Whose claim is refused, by whom, and why."""

    device: str = DEVICE


class MoveQuery(RefuseQuery):
    """Which device gets the meter, and from when on."""

    since: Instant | None = Field(
        default=None, description="From when on the meter stood there; without it what the device says counts."
    )


class DecidedClaim(ApiModel):
    """What a person decided: `owner` had the meter until then."""

    meter: str
    owner: str
    device: str
    at: At | None = Field(description="From when on the meter is the device's; null where that was refused.")
