"""What the API answers about claims and enrolments, and what it takes."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from broker.contract.messages import At
from broker.patterns import NAME, whole
from gateway.models import ApiModel, PageQuery, ReasonQuery
from gateway.validation import WHOLE_NUMBER

Named = Annotated[str, StringConstraints(pattern=whole(NAME))]
EnrolmentState = Literal["waiting", "issued", "refused"]
ClaimApproval = Literal["at_once", "by_person"]


class ClaimsQuery(PageQuery):
    """Which claims."""

    revoked: bool = Field(default=False, description="Also those that were revoked.")


class ClaimRequest(ApiModel):
    """A claim to make."""

    name: Named | None = Field(default=None, description="Made of the site and chance where none is given.")
    site: Named | None = Field(default=None, description="Where its devices stand.")
    uses: Annotated[int, Field(ge=1, le=1_000_000), WHOLE_NUMBER] = Field(description="How many logins it gives.")
    until: Annotated[AwareDatetime, Field(strict=False)] = Field(description="When it ends.")
    approval: ClaimApproval = Field(
        default="at_once", description="Whether its devices are let in at once, or wait for a person's yes."
    )


class ClaimView(ApiModel):
    """A claim without its token."""

    name: str
    site: str | None
    uses: int
    used: int
    waiting: int = Field(description="Devices that wait by it.")
    until: At
    approval: ClaimApproval
    author: str
    created_at: At
    revoked_at: At | None
    revoked_by: str | None


class ClaimMade(ClaimView):
    """A new claim; its token is shown this once."""

    token: str


class ClaimPage(ApiModel):
    """Claims by name."""

    items: tuple[ClaimView, ...]
    next: str | None


class EnrolmentsQuery(PageQuery):
    """Which enrolments."""

    state: EnrolmentState | None = Field(default=None, description="Only these.")
    device: Named | None = Field(default=None, description="Only of this device.")


class DecisionQuery(ReasonQuery):
    """Who decides, and why."""


class EnrolmentView(ApiModel):
    """What a device asked for with one key, and what was decided."""

    id: int
    device: str
    hardware: str = Field(description="By which the same machine is known again, as it says.")
    facts: dict[str, Any] = Field(description="What it tells of its hardware.")
    spki_sha256: str = Field(description="Of its public key, as hexadecimal digits.")
    claim: str | None = Field(description="By which claim; null for a renewal from another machine.")
    site: str | None
    address: str
    state: EnrolmentState
    reason: str | None = Field(description="Why it waits, or was refused.")
    identity: str | None = Field(description="The login that it was given.")
    asked_at: At
    last_asked_at: At
    decided_at: At | None
    decided_by: str | None


class EnrolmentPage(ApiModel):
    """Enrolments, the newest first."""

    items: tuple[EnrolmentView, ...]
    next: str | None
