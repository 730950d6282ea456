"""Sources, versions of their mappings, and their payloads, as the API has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import Json

from store.sql import Affected, Connection, Database, statement

SourceKind: TypeAlias = Literal["hook", "mqtt", "file"]
PayloadState: TypeAlias = Literal["waiting", "unmapped", "mapped"]
ProposalState: TypeAlias = Literal["open", "accepted", "refused"]
Settings: TypeAlias = Json[Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source with how it stands; `version` is None until it has a mapping."""

    name: str
    kind: SourceKind
    version: int | None
    enabled: bool
    device: str
    settings: Settings
    has_secret: bool
    created_by: str
    created_at: datetime
    changed_at: datetime
    last_seen_at: datetime | None
    meters: int
    waiting: int
    unmapped: int
    mapped_last_hour: int
    last_payload_at: datetime | None
    waiting_since: datetime | None
    unmapped_reason: str | None
    not_bridged: str | None
    not_bridged_at: datetime | None
    refused: str | None
    refused_at: datetime | None
    unproved: str | None
    unproved_at: datetime | None
    unproved_posts: int


@dataclass(frozen=True, slots=True)
class HeldSource:
    """A source that nobody else changes until the end of the transaction; `secret` is sealed by `master`."""

    name: str
    version: int | None
    secret: bytes | None
    master: str | None
    wants_topic: bool
    """Whether only a mapping with topics lets the bridge hear it."""


@dataclass(frozen=True, slots=True)
class MappingVersion:
    """One version of a mapping, as its author wrote it."""

    version: int
    document: str
    sha256: str
    author: str
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class PayloadRow:
    """A payload without its body, of which `bytes` says the size, None where it was dropped."""

    id: int
    source: str
    key: str
    received_at: datetime
    content_type: str
    topic: str | None
    bytes: int | None
    state: PayloadState
    version: int | None
    readings: int
    events: int
    reason: str | None
    mapped_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeptPayload(PayloadRow):
    """The same with its body."""

    body: bytes | None


@statement
async def source_states(database: Database, name: str | None) -> list[SourceState]:
    """All sources, or the one of a name."""


@statement
async def add_source(
    connection: Connection, name: str, kind: SourceKind, device_id: int, settings: Settings, author: str
) -> str | None:  # fmt: skip
    """Enter a source; None where there is one of this name."""


@statement
async def held_source(connection: Connection, name: str) -> HeldSource | None:
    """Hold a source for this transaction; None where there is none."""


@statement
async def put_settings(connection: Connection, name: str, settings: Settings) -> None:
    """Replace how a source proves itself, and its limits."""


@statement
async def enable_source(connection: Connection, name: str, enabled: bool) -> None:
    """Turn a source on or off."""


@statement
async def add_mapping(
    connection: Connection, source: str, version: int, document: str, sha256: str, author: str, reason: str | None
) -> None:  # fmt: skip
    """Enter a version, and have it in force."""


@statement
async def mapping_versions(
    database: Database, source: str, version: int | None, most: int
) -> list[MappingVersion]:  # fmt: skip
    """Versions of a source's mapping, or the one of a number, the newest first."""


@statement
async def list_payloads(
    database: Database, source: str, state: str | None, before: int, most: int
) -> list[PayloadRow]:  # fmt: skip
    """Payloads of a source, the newest first."""


@statement
async def kept_payload(database: Database, source: str, number: int) -> KeptPayload | None:
    """A payload of a source with its body."""


@statement
async def retry_payloads(connection: Connection, source: str, number: int | None, most: int) -> Affected:
    """Have payloads wait for the worker again."""


@statement
async def drop_payloads(connection: Connection, source: str, number: int | None, most: int) -> Affected:
    """Forget unmapped payloads."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A source that the bridge proposes; `source` is the one that was made of it."""

    id: int
    broker: str
    origin: str
    name: str
    topics: Sequence[str]
    document: str
    detail: Json[Mapping[str, object]]
    state: ProposalState
    source: str | None
    decided_by: str | None
    decided_at: datetime | None
    first_at: datetime
    last_at: datetime


@statement
async def list_proposals(database: Database, state: str | None, number: int | None, most: int) -> list[Proposal]:
    """Proposals in a state, or the one of a number, the newest first."""


@statement
async def held_proposal(connection: Connection, number: int) -> Proposal | None:
    """Hold a proposal for this transaction; None where there is none."""


@statement
async def decide_proposal(connection: Connection, number: int, state: str, source: str | None, author: str) -> None:
    """Note what was decided, and by whom."""
