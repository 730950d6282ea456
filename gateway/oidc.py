"""OpenID Connect as rules: what is set, which claims are believed, who somebody is by them. Nothing here does I/O."""

import hmac
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from broker.patterns import NAME_MAX
from broker.runtime.environment import NoDecode
from gateway.roles import Role

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a provider's private key; `none`, and those by a secret that both know, are never taken."""
LEEWAY_S: Final = 60.0
"""By how much the provider's clock and ours may differ."""
ANYBODY: Final = "*"
"""In place of a value of the role claim: whoever may log in at the provider at all."""
MAX_SUBJECT: Final = 255


class OidcError(Exception):
    """A login by a provider that is not believed; the message says why, and never what the provider's token holds."""


def is_safe(address: str) -> bool:
    """Whether what is asked there can't be read or altered on the way: https, or this machine itself."""
    parts = urlsplit(address)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        return parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


class OidcSettings(BaseModel):
    """A provider of OpenID Connect by which people log in; without ISSUER there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str | None = None
    """The provider's address, as its own discovery document says it, such as https://login.example/realms/firm."""
    client_id: str = ""
    """The name under which the provider knows this gateway."""
    client_secret: SecretStr | None = None
    """The secret that goes with it; none for a public client."""
    url: str = ""
    """Where browsers reach this gateway; the provider is told `<url>/login/oidc/callback`."""
    label: str = Field(default="your organisation's login", max_length=60)
    """What the login page calls the provider."""
    scopes: str = "openid profile email"
    """What is asked of the provider, with spaces; `openid` among it."""
    name_claim: str = "preferred_username"
    """The claim whose value names the person in the audit."""
    role_claim: str = "groups"
    """The claim that says what somebody belongs to; a path with dots leads into objects, as realm_access.roles."""
    roles: Annotated[dict[str, Role], NoDecode] = {}
    """Which role a value of that claim has, as `wattline-admins=admin,operators=engineer,*=viewer`; the highest counts,
    `*` is anybody, and who has none is refused."""

    @field_validator("roles", mode="before")
    @classmethod
    def _roles_are_pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.rpartition("=") for part in value.split(",") if part.strip()]
        if not all(given.strip() and role.strip() in list(Role) for given, _, role in pairs):
            raise ValueError("give values with their roles, as wattline-admins=admin,operators=engineer,*=viewer")
        return {given.strip(): Role(role.strip()) for given, _, role in pairs}

    @model_validator(mode="after")
    def _all_or_nothing(self) -> "OidcSettings":
        if self.issuer is None:
            return self
        missing = [name for name in ("client_id", "url", "roles") if not getattr(self, name)]
        if missing:
            raise ValueError(f"{missing[0]} is missing: OpenID Connect wants issuer, client_id, url and roles")
        for name, address in (("issuer", self.issuer), ("url", self.url)):
            if not is_safe(address):
                raise ValueError(f"{name} must begin with https://, or lead to this machine's own loopback address")
        if "openid" not in self.scopes.split():
            raise ValueError("scopes must have openid among them")
        return self

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends the browser back to; never taken from a request."""
        return self.url.rstrip("/") + "/login/oidc/callback"


def check_claims(claims: Mapping[str, Any], settings: OidcSettings, nonce: str, now_s: float) -> None:
    """See that a provider said this to us, now, and for this login (OpenID Connect Core 3.1.3.7). Raises OidcError."""
    if claims.get("iss") != settings.issuer:
        raise OidcError("the token is of another issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if settings.client_id not in audiences:
        raise OidcError("the token is for another client")
    if claims.get("azp", settings.client_id) != settings.client_id or (len(audiences) > 1 and "azp" not in claims):
        raise OidcError("the token was given to another client")
    ends, begins = claims.get("exp"), claims.get("iat")
    if not isinstance(ends, int | float) or ends < now_s - LEEWAY_S:
        raise OidcError("the token is over, or never ends")
    if not isinstance(begins, int | float) or begins > now_s + LEEWAY_S:
        raise OidcError("the token is of the future: compare the clocks of provider and gateway")
    if not isinstance(claims.get("nonce"), str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
        raise OidcError("the token is for another login")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or "\0" in subject:
        raise OidcError("the token names nobody (sub)")


def role_of(claims: Mapping[str, Any], settings: OidcSettings) -> Role:
    """The highest role that the claim gives. Raises OidcError for who has none."""
    given = {*_values(claims, settings.role_claim), ANYBODY}
    found = [role for value, role in settings.roles.items() if value in given]
    if not found:
        raise OidcError(f"nothing in {settings.role_claim} gives a role here; an admin sets OIDC__ROLES")
    return max(found, key=list(Role).index)


def name_of(claims: Mapping[str, Any], settings: OidcSettings) -> str:
    """How somebody is called here: the claim, with what no name may have as a hyphen. Raises OidcError."""
    said = claims.get(settings.name_claim)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", said).strip("-._")[:NAME_MAX] if isinstance(said, str) else ""
    if not name:
        raise OidcError(f"the token has no name in {settings.name_claim}; an admin sets OIDC__NAME_CLAIM")
    return name


def _values(claims: Mapping[str, Any], path: str) -> Iterator[str]:
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    for value in found if isinstance(found, list) else [found]:
        if isinstance(value, str):
            yield value
