"""What the API takes and answers about sources."""

from typing import Annotated, Any

from pydantic import Field, SecretStr

from broker.contract.messages import At
from broker.patterns import SOURCE_NAME, whole
from gateway.api.auth.models import SecretBody
from gateway.models import ApiModel, AuthorQuery, PageQuery
from gateway.sources.store import PayloadState, SourceKind
from meters.specs.bounds import MAX_DOCUMENT_BYTES
from store.source_settings import SourceSettings

SourceName = Annotated[str, Field(pattern=whole(SOURCE_NAME))]
MAX_SAMPLE = 200_000
"""Characters of a sample, so that a request with a mapping beside it is taken."""


class SourceRequest(ApiModel):
    """A source to make."""

    name: SourceName
    kind: SourceKind = Field(default="hook", description="hook: by HTTP; mqtt: by foreign topics; file: as files.")
    settings: SourceSettings = Field(default=SourceSettings(), description="How it proves itself, and its limits.")


class SourceView(ApiModel):
    """A source and how it stands."""

    name: str
    kind: SourceKind
    version: int | None = Field(description="The version of its mapping in force; null until it has one.")
    enabled: bool
    device: str = Field(description="The device that stands for it in the fleet.")
    settings: dict[str, Any]
    has_secret: bool
    created_by: str
    created_at: At
    changed_at: At
    last_seen_at: At | None
    meters: int
    waiting: int = Field(description="Payloads that wait to be mapped.")
    unmapped: int = Field(description="Payloads that no mapping made anything of; a new version tries them again.")
    mapped_last_hour: int = Field(
        description="Payloads mapped within the last hour, of the newest 20000 of all sources together."
    )
    last_payload_at: At | None = Field(description="When its newest payload came.")
    waiting_since: At | None = Field(description="When the oldest came that waits.")
    unmapped_reason: str | None = Field(description="Why the newest of the unmapped ones is so.")
    not_bridged: str | None = Field(description="Why the bridge does not subscribe to it, as it said last.")
    not_bridged_at: At | None = Field(description="When it said so; null where the source was changed or heard since.")
    refused: str | None = Field(description="Why the intake refused a post that was proved its own, as it said last.")
    refused_at: At | None = Field(description="When it said so; null where the source was changed or heard since.")
    unproved: str | None = Field(description="Why the newest was refused of posts that nothing proved its own.")
    unproved_at: At | None = Field(description="When the intake said so last, within a day: once an hour a reason.")
    unproved_posts: int = Field(description="How many such posts it told of within a day; anybody may send them.")
    fault: str = Field(description="What is wrong with it, in words; empty where nothing is, or where it is off.")


class SourceList(ApiModel):
    """All sources."""

    items: tuple[SourceView, ...]


class EnableQuery(AuthorQuery):
    """Whether it is to be on."""

    enabled: bool = Field(description="false: what it sends is refused, and what waits, waits.")


class SourceSecretRequest(SecretBody):
    """What a source is to sign with, or to show."""

    secret: SecretStr = Field(
        default=SecretStr(""), max_length=512, description="Left out, one is made that nobody can guess."
    )
    grace_s: float = Field(
        default=0, ge=0, le=30 * 86_400, description="For how long the one before is good beside it, in seconds."
    )


class SourceSecretView(ApiModel):
    """The secret, shown this once."""

    name: str
    secret: str


class MappingQuery(AuthorQuery):
    """Who gives a mapping, and why."""

    reason: str | None = Field(default=None, max_length=1000, pattern=r"^[^\x00]*$")


class VersionQuery(ApiModel):
    """Which version."""

    version: int | None = Field(default=None, ge=1, le=2**31 - 1, description="Left out, the one in force.")


class MappingView(ApiModel):
    """A version of a mapping, as its author wrote it."""

    source: str
    version: int
    document: str
    sha256: str
    author: str
    reason: str | None
    at: At


class MappingChange(ApiModel):
    """What became of a mapping."""

    source: str
    version: int
    goldens: int = Field(description="How many of its own it was tried on.")
    known: bool = Field(description="It was in force already, word for word.")


class MappingVersions(ApiModel):
    """Versions of a source's mapping, the newest first, at most a hundred."""

    items: tuple[MappingView, ...]


class TryRequest(ApiModel):
    """A mapping and a payload to try it on: a sample, or one that is kept."""

    mapping: str | None = Field(
        default=None, max_length=MAX_DOCUMENT_BYTES, description="The document; left out, the one in force."
    )
    id: int | None = Field(default=None, ge=1, le=2**63 - 1, description="A kept payload's number.")
    payload: str | None = Field(default=None, max_length=MAX_SAMPLE, description="A sample as text.")
    base64: str | None = Field(default=None, max_length=MAX_SAMPLE, description="A sample's bytes in base64.")
    content_type: str = Field(default="", max_length=128)
    topic: str | None = Field(default=None, max_length=512, description="The MQTT topic, where it came by one.")


class TriedSample(ApiModel):
    """Values of a meter at one time, in canonical units."""

    meter: str
    at: At
    values: dict[str, float]


class TriedEvent(ApiModel):
    """An event that would be entered."""

    kind: str
    at: At
    meter: str | None
    severity: str
    detail: dict[str, Any]


class TriedView(ApiModel):
    """What a payload would give. Nothing is stored."""

    gives_nothing: bool
    reason: str = Field(description="Why it gives nothing, or what of it could not be taken.")
    values: int
    meters: int
    readings: tuple[TriedSample, ...] = Field(description="The first 200, each with its first 200 values.")
    events: tuple[TriedEvent, ...] = Field(description="The first 200.")
    ignored: dict[str, int]
    faults: tuple[str, ...] = Field(description="The first 50; each says where, which field, and why.")
    faulty: int


class SampleRequest(ApiModel):
    """A payload of a new source."""

    payload: str | None = Field(default=None, max_length=MAX_SAMPLE, description="As text.")
    base64: str | None = Field(default=None, max_length=MAX_SAMPLE, description="Its bytes in base64.")
    content_type: str = Field(default="", max_length=128)
    topic: str | None = Field(default=None, max_length=512)


class DraftedMapping(ApiModel):
    """A proposed mapping, to be read and corrected."""

    document: str
    notes: tuple[str, ...] = Field(description="What was guessed, and what is left to say.")


class PayloadsQuery(PageQuery):
    """Which payloads."""

    state: PayloadState | None = Field(default=None, description="Only those in this state.")


class PayloadView(ApiModel):
    """A payload without its body."""

    id: int
    source: str
    key: str
    received_at: At
    content_type: str
    topic: str | None
    bytes: int | None = Field(description="Null once the body was dropped.")
    state: PayloadState
    version: int | None = Field(description="The version of the mapping that was tried last; 0 where there was none.")
    readings: int
    events: int
    reason: str | None
    mapped_at: At | None


class PayloadDetail(PayloadView):
    """The same with its body, of which an answer has the first 64 KiB."""

    base64: str | None


class PayloadPage(ApiModel):
    """Payloads, the newest first."""

    items: tuple[PayloadView, ...]
    next: str | None


class PayloadsQueryOfOne(AuthorQuery):
    """Which of a source's payloads."""

    id: int | None = Field(default=None, ge=1, le=2**63 - 1, description="This one; left out, all, 10000 at once.")


class PayloadCount(ApiModel):
    """How many payloads it was done to."""

    source: str
    payloads: int
