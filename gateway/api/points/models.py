"""What the API answers about points of delivery, and what it takes."""

from typing import Annotated

from pydantic import Field, StringConstraints

from broker.contract.messages import At, Message
from gateway.models import ApiModel, PageQuery


class PointsQuery(PageQuery):
    """Which points."""

    device: str | None = Field(default=None, description="Only points of this device.")


class PointPatch(Message):
    """What may be changed of a point."""

    name: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$", max_length=200)]


class RegisterView(ApiModel):
    """A register as it stood when its meter came or went."""

    obis: str
    unit: str
    value: float
    at: At
    read_by: str | None = Field(default=None, description="Who read it from the meter; the nearest reading where null.")


class PointSummary(ApiModel):
    """A point of delivery with the meter that stands there, and the one before it."""

    id: int
    name: str
    device: str
    port: str
    channel: str = Field(description="M-Bus channel of a meter behind another, else empty.")
    slot: int = Field(description="Above 1 for the further meters that share a line.")
    meter: str | None
    since: At | None
    previous_meter: str | None
    swapped_at: At | None


class StayView(ApiModel):
    """When a meter stood at a point, with its registers at both ends."""

    meter: str
    installed_at: At
    removed_at: At | None
    opening: tuple[RegisterView, ...]
    closing: tuple[RegisterView, ...]


class PointDetail(PointSummary):
    """A point with its stays, the newest first, 100 at most."""

    stays: tuple[StayView, ...]


class PointPage(ApiModel):
    """Points by name."""

    items: tuple[PointSummary, ...]
    next: str | None
