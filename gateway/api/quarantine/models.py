"""What the API answers about quarantine, and the queries that it takes."""

from pydantic import Field

from broker.contract.messages import At
from gateway.models import ApiModel, Instant, PageQuery, ReasonQuery

CAUSE = Field(default=None, max_length=64, pattern=r"^[a-z_]*$", description="Only those refused for this: `reason`.")
DEVICE = Field(default=None, max_length=64, description="Only of this device.")
SINCE = Field(default=None, description="Only those received from then on.")
UNTIL = Field(default=None, description="Only those received before.")


class QuarantineQuery(PageQuery):
    """Which payloads."""

    cause: str | None = CAUSE
    device: str | None = DEVICE
    since: Instant | None = SINCE
    until: Instant | None = UNTIL
    resolved: bool = Field(default=False, description="Those too that a retry has stored.")


class RetryQuery(ReasonQuery):
    """Which payloads to take again, who asks for it, and why. Without any choice: all that are open."""

    cause: str | None = CAUSE
    device: str | None = DEVICE
    since: Instant | None = SINCE
    until: Instant | None = UNTIL
    id: int | None = Field(default=None, ge=1, le=2**53, description="Only this one.")


class QuarantineView(ApiModel):
    """A payload, or values of one, that could not be taken."""

    id: int
    received_at: At
    device: str | None
    meter: str | None
    topic: str
    reason: str
    detail: str | None
    bytes: int
    resolved_at: At | None = Field(description="When a retry stored all of it.")


class QuarantineDetail(QuarantineView):
    """The same with what it holds."""

    text: str | None = Field(description="The payload, where it is UTF-8.")
    data: str = Field(description="The payload in base64.")


class QuarantinePage(ApiModel):
    """Payloads in quarantine, the newest first."""

    items: tuple[QuarantineView, ...]
    next: str | None
