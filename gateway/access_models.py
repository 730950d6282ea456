"""What the API answers about tokens, the audit, events and live changes, and the queries that it takes."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, StringConstraints

from broker.messages import At
from gateway.access import Role
from gateway.api_models import WHOLE, ApiModel, PageQuery

TOKEN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"  # noqa: S105 - a pattern
ChangeKind = Literal["device", "desired", "reported", "event", "spec", "job", "command", "stage"]
KIND_PATTERN = "^({0})(,({0})){{0,7}}$".format("|".join(get_args(ChangeKind)))


class Whoami(ApiModel):
    """Who the gateway takes the caller for."""

    name: str
    role: Role


class TokensQuery(PageQuery):
    """Which tokens."""

    revoked: bool = Field(default=False, description="Also those that were revoked.")


class TokenRequest(ApiModel):
    """A token to make."""

    name: Annotated[str, StringConstraints(pattern=TOKEN_NAME)] = Field(description="Whose or what for.")
    role: Role = Field(description="viewer reads, engineer changes, admin also makes tokens and reads the audit.")
    days: Annotated[int, Field(ge=1, le=3660), WHOLE] | None = Field(
        default=None, description="How long it is good for; for ever without it."
    )


class TokenView(ApiModel):
    """A token without its secret."""

    name: str
    role: Role
    author: str
    created_at: At
    expires_at: At | None
    last_used_at: At | None
    revoked_at: At | None


class TokenMade(TokenView):
    """A new token; its secret is shown this once."""

    token: str


class TokenPage(ApiModel):
    """Tokens in the order in which they were made."""

    items: tuple[TokenView, ...]
    next: str | None


class AuditQuery(PageQuery):
    """Which lines of the audit."""

    actor: str | None = Field(default=None, max_length=64, pattern=r"^[^\x00]*$", description="Only of this token.")
    refused: bool | None = Field(default=None, description="Only refused attempts, or only what was done.")


class AuditLine(ApiModel):
    """A change or a refused attempt."""

    at: At
    actor: str = Field(description="The token's name; - for nobody.")
    role: Role | None
    address: str
    action: str
    method: str
    path: str
    query: str
    body: str = Field(description="The first thousand characters of what was sent.")
    status: int
    result: str


class AuditPage(ApiModel):
    """Lines of the audit, the newest first."""

    items: tuple[AuditLine, ...]
    next: str | None


class StreamQuery(ApiModel):
    """What to follow, from where, and for how long."""

    kinds: str | None = Field(
        default=None, pattern=KIND_PATTERN, description="Kinds with commas between; all without it."
    )
    device: str | None = Field(default=None, max_length=64, pattern=r"^[^\x00]*$", description="Only of this device.")
    last_event_id: str | None = Field(
        default=None, pattern=r"^[0-9]{1,19}\.[0-9]{1,19}$",
        description="As the header Last-Event-ID: go on behind this change.",
    )  # fmt: skip
    for_s: float | None = Field(default=None, gt=0, le=86400, description="End after so many seconds.")


class ChangeView(ApiModel):
    """One change, the `data` of an event of the stream."""

    kind: ChangeKind
    at: At
    device: str | None
    detail: dict[str, Any]


class EventsQuery(PageQuery):
    """Which events."""

    device: str | None = Field(default=None, max_length=64, pattern=r"^[^\x00]*$", description="Only of this device.")
    event: str | None = Field(default=None, max_length=64, pattern=r"^[^\x00]*$", description="Only of this name.")
    severity: Literal["info", "warning", "error"] | None = Field(default=None, description="Only of this severity.")


class EventView(ApiModel):
    """Something that a device or a service found worth telling."""

    received_at: At
    at: At
    device: str | None
    meter: str | None
    source: str
    event: str
    severity: Literal["info", "warning", "error"]
    detail: dict[str, Any]


class EventPage(ApiModel):
    """Events, the newest first."""

    items: tuple[EventView, ...]
    next: str | None
