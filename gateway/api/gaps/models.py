"""What the API answers about gaps, and how it is asked."""

from pydantic import Field

from broker.contract.messages import At
from gateway.models import ApiModel

MOST_GAPS = 100


class GapsQuery(ApiModel):
    """How far back."""

    days: int = Field(default=7, ge=1, le=31, description="Gaps that reach into the last so many days.")


class GapView(ApiModel):
    """A stretch in which readings of a meter were due and none came."""

    meter: str
    from_at: At = Field(description="The last reading before it.")
    until_at: At = Field(description="The first one after it, or now.")
    cadence_s: float
    missing: int = Field(description="Readings that were due in it.")
    open: bool = Field(description="It goes on.")
    remembered: bool = Field(
        description="The meter's spec says how its own memory is read: by the command read_profile."
    )


class GapList(ApiModel):
    """Gaps, the newest first, 100 at most; those that a meter's memory has told by now are none."""

    items: tuple[GapView, ...]
