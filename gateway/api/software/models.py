"""What the API answers about the software of devices, and the queries that it takes."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from broker.contract.messages import At, Reason
from broker.contract.software import SoftwareState
from gateway.models import ApiModel, PageQuery, StoredAt
from gateway.updates.store import SoftwareStanding

SHOWN: Final = 20
"""States that an answer has without being asked for more."""
ShortText = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00]*$")]


class ReleasesQuery(ApiModel):
    """Of which devices."""

    group: ShortText | None = Field(default=None, description="Only of this group.")


class SoftwareQuery(PageQuery):
    """Which devices."""

    group: ShortText | None = Field(default=None, description="Only of this group.")
    running: ShortText | None = Field(default=None, description="Only those that run this release.")
    desired: ShortText | None = Field(default=None, description="Only those that are to run this release.")
    state: SoftwareStanding | None = Field(default=None, description="Only those of which the desired one stands so.")


class ReleaseView(ApiModel):
    """How many devices run a release, are to run one, and how that stands."""

    running: str | None = Field(description="Null where nobody ever said.")
    desired: str | None = Field(description="Null where nothing is desired.")
    state: SoftwareStanding | None
    devices: int


class ReleaseList(ApiModel):
    """Which releases run where, the most frequent first."""

    items: tuple[ReleaseView, ...]


class SoftwareView(ApiModel):
    """The software of a device: what is desired of it, what it runs, and how that stands."""

    device: str
    online: bool | None
    desired: str | None = Field(description="The release; null where nothing is desired.")
    desired_version: int | None = Field(description="Of the message `software/desired`; it rises with each change.")
    source: str | None
    author: str | None
    desired_at: At | None
    running: str | None = Field(description="As its updater says, else its agent.")
    state: SoftwareStanding | None = Field(
        description="What its updater says of the desired one; unreported before it has, never_reported where no "
        "updater of it ever spoke; null where nothing is desired."
    )
    reasons: tuple[Reason, ...] = Field(description="Why it refused, went back, or waits.")
    octets: int | None = Field(description="Fetched for it.")
    seconds: float | None = Field(description="From the coming of what is desired to this state.")
    reported_version: int | None
    reported_state: SoftwareState | None
    reported_release: str | None
    reported_at: StoredAt | None
    since: At | None = Field(description="Since when it is in that state, by the platform's clock.")


class SoftwarePage(ApiModel):
    """Devices by name."""

    items: tuple[SoftwareView, ...]
    next: str | None


class SoftwarePast(ApiModel):
    """A state that the software of a device came into."""

    received_at: At
    version: int
    state: SoftwareState
    release: str
    running: str
    reasons: tuple[Reason, ...]
    octets: int
    seconds: float
    at: StoredAt


class SoftwareHistoryQuery(ApiModel):
    """How much of the past."""

    limit: int = Field(default=SHOWN, ge=1, le=200, description="The newest so many states.")


class DeviceSoftwareView(SoftwareView):
    """The same, with its past."""

    history: tuple[SoftwarePast, ...] = Field(description="The newest first; 200 are kept.")
