"""Specs, drafts, and the kept frames of their meters, in the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import Json

from gateway.fleet.meters import StoredMeter
from gateway.specs.models import SpecSummary, State
from gateway.specs.unknown import UnknownMeter
from store.sql import Database, statement


@dataclass(frozen=True, slots=True)
class StoredSpec:
    """A published spec or a draft, with its document and the text that its author wrote, where one is kept."""

    spec: str
    version: int
    state: State
    generic: bool
    sha256: str
    author: str
    reason: str | None
    published_at: datetime | None
    deprecated_at: datetime | None
    deprecated_by: str | None
    deprecated_why: str | None
    audience: str | None
    protocol: str | None
    manufacturer: str | None
    product: str | None
    document: Json[dict[str, object]]
    source: str
    meters: int

    @property
    def ref(self) -> str:
        """Its name and version."""
        return f"{self.spec}@{self.version}"


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A raw frame of a meter."""

    id: int
    meter: str
    at: datetime | None
    received_at: datetime
    data: bytes


@dataclass(frozen=True, slots=True)
class LineFrame:
    """A raw frame with how its meter's line is set."""

    id: int
    meter: str
    at: datetime | None
    received_at: datetime
    data: bytes
    line: str | None


@dataclass(frozen=True, slots=True)
class NewestFrame:
    """The newest frame of a meter that somebody could read."""

    meter_id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class UnreadFrames:
    """Frames of a port that speaks what is not read."""

    device: str
    port: str
    protocol: str
    what: str | None
    frames: int
    since: datetime
    last_frame_at: datetime


@statement
async def list_specs(
    database: Database, after: str, after_version: int, state: str | None, generic: bool | None, limit: int
) -> list[SpecSummary]:
    """Published specs and drafts behind a place, by name and version."""


@statement
async def spec_detail(database: Database, name: str, version: int) -> StoredSpec | None:
    """A published spec or a draft."""


@statement
async def newest_spec_version(database: Database, name: str) -> int | None:
    """The highest published version of a name."""


@statement
async def is_spec_draft(database: Database, name: str, version: int) -> bool:
    """Whether there is a draft of this name and version."""


@statement
async def save_spec_draft(
    database: Database, name: str, version: int, document: Json[Mapping[str, object]], source: str, sha256: str,
    generic: bool, author: str, reason: str | None,
) -> str | None:  # fmt: skip
    """Keep a draft; None where the same was there."""


@statement
async def publish_spec_text(
    database: Database, name: str, version: int, document: Json[Mapping[str, object]], source: str, sha256: str,
    generic: bool, author: str, reason: str | None,
) -> None:  # fmt: skip
    """Enter a spec for ever, in place of its draft."""


@statement
async def deprecate_spec(database: Database, name: str, version: int, author: str, reason: str | None) -> str | None:
    """Deprecate a spec; None where it was."""


@statement
async def job_of_spec(database: Database, spec: str) -> int | None:
    """The newest job of a spec that waits."""


@statement
async def meters_of_spec(database: Database, spec: str) -> list[int]:
    """The meters that a spec reads, those behind others apart."""


@statement
async def devices_of_protocol(database: Database, protocol: str) -> list[int]:
    """The devices that have meters of a protocol."""


@statement
async def removed_with_frames(database: Database, protocol: str) -> list[StoredMeter]:
    """Meters of a protocol that are gone, and of which frames are kept."""


@statement
async def frames_of_spec(database: Database, name: str, protocol: str, limit: int) -> list[StoredFrame]:
    """The newest raw frames of the meters that some version of a spec reads now."""


@statement
async def frames_for_draft(database: Database, meter_ids: Sequence[int], limit: int) -> list[LineFrame]:
    """The newest raw frames of these meters, those that nobody could read at all last."""


@statement
async def newest_frames(database: Database, meter_ids: Sequence[int]) -> list[NewestFrame]:
    """The newest frame of each of these meters."""


@statement
async def unknown_meters(database: Database, limit: int) -> list[UnknownMeter]:
    """Meters that no product's spec reads, by key."""


@statement
async def unread_ports(database: Database, limit: int) -> list[UnreadFrames]:
    """Ports that speak what is not read, as their devices reported within the last day."""


@statement
async def meter_id(database: Database, key: str) -> int | None:
    """The number of a meter."""
