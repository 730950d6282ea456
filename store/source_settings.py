"""The settings of a source as table `source` holds them: how it proves itself, and how much it may send. No I/O."""

import re
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

IN_FORCE: Final = "secret"
"""By this key the sealed document holds what the source signs with, or its token."""
BEFORE: Final = "previous"
"""The secret before, which is believed, too, until it is taken out: so that one can be changed without a refusal."""
STANDARD_PREFIX: Final = "whsec_"
"""Before a secret of Standard Webhooks, which is base64."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_FORBIDDEN: Final = {"host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection"}


def sealed_for(source: str) -> str:
    """What the secret of a source is sealed for (store.meter_keys)."""
    return f"source:{source}"


def _header(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name[:40]!r} is no name of a header; write one such as X-Signature")
    if name.lower() in _FORBIDDEN:
        raise ValueError(f"{name} has a meaning of its own; name the header that the sender signs in")
    return name


HeaderName: TypeAlias = Annotated[str, AfterValidator(_header)]
MediaType: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.+*-]+/[a-z0-9.+*-]+$", max_length=100)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SignatureProof(_Document):
    """HMAC-SHA256 with the source's secret; a sender's form of it is a `style`, and each header may have another name.

    What is signed are the bytes of the body as they were sent, compressed where they were.
    """

    kind: Literal["signature"] = "signature"
    style: Literal["standard", "stripe", "github", "plain"] = "standard"
    """standard: Standard Webhooks, `ID.TIME.BODY`, base64 behind `v1,`, the secret base64 with or without `whsec_`.
    stripe: `TIME.BODY`, hex, one header `t=TIME,v1=HEX`. github: `BODY`, hex behind `sha256=`, no time. plain: hex or
    base64 of `TIME.BODY`, or of `BODY` where no timestamp_header is named."""
    signature_header: HeaderName | None = None
    """Default: webhook-signature, Stripe-Signature, X-Hub-Signature-256, X-Signature."""
    timestamp_header: HeaderName | None = None
    """Unix seconds. Default: webhook-timestamp of standard; stripe has it in its one header; else none."""
    id_header: HeaderName | None = None
    """Default: webhook-id; of standard only, and its idempotency key."""
    window_s: int = Field(default=300, ge=1, le=86400)
    """How far the time stamp may be from our clock, either way; a copy that comes later is refused."""

    @model_validator(mode="after")
    def _time_where_the_style_has_it(self) -> Self:
        if self.style in ("stripe", "github") and self.timestamp_header is not None:
            raise ValueError(f"timestamp_header: style {self.style} has none; leave it out, or take style plain")
        if self.style != "standard" and self.id_header is not None:
            raise ValueError(f"id_header: style {self.style} signs no id; leave it out, or take style standard")
        return self


class BearerProof(_Document):
    """A token that the sender shows: `Authorization: Bearer TOKEN`, or the bare token in a header of its own."""

    kind: Literal["bearer"] = "bearer"
    header: HeaderName = "Authorization"


class CertificateProof(_Document):
    """The sender's own TLS certificate, of the authority that the intake was given, by one of these names."""

    kind: Literal["certificate"] = "certificate"
    names: tuple[Annotated[str, StringConstraints(min_length=1, max_length=253)], ...] = Field(
        min_length=1, max_length=20
    )
    """Its common name or one of its DNS names."""


Proof: TypeAlias = Annotated[SignatureProof | BearerProof | CertificateProof, Field(discriminator="kind")]


class SourceSettings(_Document):
    """How a source proves itself, and its limits; `{}` is a sender by Standard Webhooks with the usual ones."""

    proof: Proof = SignatureProof()
    max_bytes: int = Field(default=2**20, ge=1, le=64 * 2**20)
    """Of a body, as it was sent and as it is without its compression."""
    posts_per_s: float = Field(default=200.0, gt=0, le=100_000)
    """On average, at each process of the intake."""
    bytes_per_s: float = Field(default=4 * 2**20, gt=0, le=2**30)
    """The same in bytes as they were sent."""
    burst_s: float = Field(default=10.0, ge=1, le=3600)
    """For so many seconds' worth at once."""
    content_types: tuple[MediaType, ...] = Field(default=(), max_length=20)
    """Those that are taken, `text/*` for all of a kind; none: any."""

    @property
    def needs_secret(self) -> bool:
        """Whether it proves itself by a secret that both know."""
        return not isinstance(self.proof, CertificateProof)
