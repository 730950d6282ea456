"""What the API answers about tokens and the audit, and the queries that it takes."""

from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field, SecretStr, StringConstraints

from broker.contract.messages import At
from broker.patterns import NAME, whole
from gateway.api.auth.passwords import LEAST, MOST
from gateway.models import ApiModel, PageQuery
from gateway.roles import Role
from gateway.validation import WHOLE_NUMBER

ChangeKind = Literal["device", "desired", "reported", "event", "spec", "job", "command", "stage", "software"]
KIND_PATTERN = "^({0})(,({0})){{0,8}}$".format("|".join(get_args(ChangeKind)))


class Whoami(ApiModel):
    """Who the gateway takes the caller for."""

    name: str
    role: Role


class TokensQuery(PageQuery):
    """Which tokens."""

    revoked: bool = Field(default=False, description="Also those that were revoked.")


class TokenRequest(ApiModel):
    """A token to make."""

    name: Annotated[str, StringConstraints(pattern=whole(NAME))] = Field(description="Whose or what for.")
    role: Role = Field(description="viewer reads, engineer changes, admin also makes tokens and reads the audit.")
    days: Annotated[int, Field(ge=1, le=3660), WHOLE_NUMBER] | None = Field(
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


UserName = Annotated[str, StringConstraints(pattern=whole(NAME))]
Password = Annotated[
    SecretStr, Field(min_length=LEAST, max_length=MOST, description="Only its scrypt hash is kept; none that repeats.")
]


class SecretBody(ApiModel):
    """A body of which nothing is said again where it is refused."""

    model_config = ConfigDict(hide_input_in_errors=True)


class UserRequest(SecretBody):
    """A user to make."""

    name: UserName = Field(description="With what they log in; no token's name.")
    role: Role = Field(description="viewer reads, engineer changes, admin also makes users and tokens.")
    password: Password


class UserPatch(SecretBody):
    """What of a user changes; their sessions end by it."""

    role: Role | None = None
    password: Password | None = None


class OwnPassword(SecretBody):
    """One's own password, changed by who knows the old one."""

    old: SecretStr
    new: Password


class UserView(ApiModel):
    """A user without the password."""

    name: str
    role: Role
    author: str
    issuer: str | None = Field(description="The provider by which they log in; null where it is a password.")
    created_at: At
    changed_at: At
    last_login_at: At | None


class UserPage(ApiModel):
    """Users by name."""

    items: tuple[UserView, ...]
    next: str | None


class AuditQuery(PageQuery):
    """Which lines of the audit."""

    actor: str | None = Field(
        default=None, max_length=64, pattern=r"^[^\x00]*$", description="Only of this token or user."
    )
    refused: bool | None = Field(default=None, description="Only refused attempts, or only what was done.")


class AuditLine(ApiModel):
    """A change or a refused attempt."""

    at: At
    actor: str = Field(description="The name of the token or user; - for nobody.")
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
