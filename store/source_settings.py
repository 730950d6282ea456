"""How a source proves itself and what it may send, as `source.settings` has it, and its secret as it lies sealed there.

Engineers set both through the gateway; who takes payloads reads them.
"""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from broker.contract.identity import SOURCE_PREFIX
from broker.patterns import NAME, whole
from store.meter_keys import MasterKeys

OUR_BROKER: Final = "ours"
"""The platform's own broker, where a source of MQTT names none."""
MOST_BYTES: Final = 16 * 1024 * 1024
SECRET_BYTES: Final = 33
"""Of one that is made: in base64 they need no sign at the end."""
_HEADER: Final = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"

Header = Annotated[str, StringConstraints(pattern=_HEADER)]
MediaType = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.+-]+/[a-z0-9.+*-]+$", max_length=100)]
SignatureStyle = Literal["plain", "standard", "stripe", "github"]
STYLE_HEADERS: Final[Mapping[str, Mapping[str, str]]] = {
    "plain": {"signature_header": "X-Wattline-Signature", "timestamp_header": "X-Wattline-Timestamp"},
    "standard": {"signature_header": "webhook-signature", "timestamp_header": "webhook-timestamp"},
    "stripe": {"signature_header": "Stripe-Signature"},
    "github": {"signature_header": "X-Hub-Signature-256"},
}
"""What senders of a style call their headers."""
_USUAL: Final = {(name, header) for headers in STYLE_HEADERS.values() for name, header in headers.items()}


class TopicSettings(BaseModel):
    """What a source's settings say to the bridge, whatever a later version may have added for others."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    broker: str = Field(
        OUR_BROKER, pattern=whole(NAME), description="mqtt: at which broker, as the bridge's settings call it"
    )
    topics: tuple[Annotated[str, StringConstraints(min_length=1, max_length=1024)], ...] = Field(
        (),
        max_length=200,
        description="mqtt: what to subscribe to in place of the mapping's topics, of which it is a part",
    )


class SourceSettings(TopicSettings):
    """A source's settings; each has a default, and what is unknown is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    auth: Literal["hmac", "bearer", "mtls"] = Field(
        "hmac", description="how it proves itself: a signature over time stamp and body, a token, or its certificate"
    )
    signature_style: SignatureStyle = Field(
        "plain",
        description="hmac: plain (see signature_header); standard: Standard Webhooks, with the id signed, too, base64, "
        "and a secret that is base64; stripe: `t=TIME,v1=HEX` in one header; github: `sha256=HEX` of the body alone, "
        "without a time stamp",
    )
    signature_header: Header = Field(
        "X-Wattline-Signature",
        description="hmac: SHA-256 in hex over the time stamp, a point and the body as sent; another style has another "
        "default: webhook-signature, Stripe-Signature, X-Hub-Signature-256",
    )
    timestamp_header: Header = Field(
        "X-Wattline-Timestamp",
        description="hmac: seconds since 1970, part of what is signed; webhook-timestamp of standard, none of stripe "
        "and github",
    )
    id_header: Header = Field("webhook-id", description="hmac of style standard: the id, signed, too; else of no use")
    key_header: Header = Field(
        "Idempotency-Key", description="what names a payload, so that the same one sent again is taken once"
    )
    replay_window_s: float = Field(
        300, ge=1, le=86_400, description="hmac: how far the time stamp may be off the clock here"
    )
    client_name: str = Field(
        "", max_length=256, description="mtls: the common name, or a DNS or URI name, of the client's certificate"
    )
    max_bytes: int = Field(
        1024 * 1024, ge=1, le=MOST_BYTES, description="a payload's size at most, unpacked; larger ones are refused"
    )
    posts_per_second: float = Field(
        100, gt=0, le=100_000, description="payloads a second that are taken; beyond, the sender is told to wait"
    )
    burst: int = Field(1000, ge=1, le=1_000_000, description="payloads that may come at once on top of that rate")
    bytes_per_second: float = Field(
        4 * 1024 * 1024, gt=0, le=2**30, description="bytes a second that are taken, as sent; ten seconds' at once"
    )
    content_types: tuple[MediaType, ...] = Field(
        (), max_length=20, description="those that are taken, text/* for all of a kind; none: any"
    )

    @model_validator(mode="before")
    @classmethod
    def _headers_of_the_style(cls, given: object) -> object:
        """Headers that are not named are those of the style, and so are those of another one that it was before."""
        if not isinstance(given, dict):
            return given
        style = given.get("signature_style", "plain")
        usual = STYLE_HEADERS.get(style, {}) if isinstance(style, str) else {}
        named = {name: _as_python(value) for name, value in given.items() if not _is_usual(name, value)}
        return {**usual, **named}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.auth == "mtls" and not self.client_name:
            raise ValueError("client_name: is missing; mtls wants the name in the client's certificate")
        return self


def _as_python(value: object) -> object:
    # what a validator hands on is no JSON any more, and a strict reader then takes no list for a tuple
    return tuple(value) if isinstance(value, list) else value


def _is_usual(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, str) and (name, value) in _USUAL


def device_of(source: str) -> str:
    """The device that stands for a source."""
    return SOURCE_PREFIX + source


@dataclass(frozen=True, slots=True, repr=False)
class SourceSecret:
    """What a source signs with or shows; the one before is good for a while after a change. It never shows itself."""

    current: str
    before: str = ""
    before_until: datetime | None = None

    def __repr__(self) -> str:
        return "SourceSecret(***)"

    def valid(self, now: datetime) -> tuple[str, ...]:
        """Those that are good at this time, the newest first."""
        old = self.before and self.before_until is not None and now < self.before_until
        return (self.current, self.before) if old else (self.current,)

    def changed(self, to: str, now: datetime, grace: timedelta) -> "SourceSecret":
        """Another one from now on, this one for a while beside it."""
        return SourceSecret(to, self.current, now + grace) if grace else SourceSecret(to)


def new_secret() -> str:
    """A secret that nobody can guess, in letters that may stand in a header; base64, as Standard Webhooks wants it."""
    return base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def seal_secret(master: MasterKeys, source: str, secret: SourceSecret) -> bytes:
    """As `source.secret` keeps it; `master.newest` is what `source.master` says of it."""
    values = {"secret": secret.current}
    if secret.before and secret.before_until is not None:
        values |= {"before": secret.before, "before_until": secret.before_until.astimezone(UTC).isoformat()}
    return master.seal(_sealed_for(source), values)


def open_secret(master: MasterKeys, source: str, by: str, sealed: bytes) -> SourceSecret:
    """What was sealed for this source by the master key of this name. Raises NotOpenedError."""
    values = master.open(_sealed_for(source), by, sealed)
    until = values.get("before_until")
    return SourceSecret(values["secret"], values.get("before", ""), datetime.fromisoformat(until) if until else None)


def _sealed_for(source: str) -> str:
    # no meter's key has a space, so that neither can be opened in the other's place
    return f"source {source}"
