"""Sources, their mappings, and the payloads that wait for one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from store.sql import Affected, Connection, Database, statement


@dataclass(frozen=True, slots=True)
class WaitingSource:
    """A source of which a payload waits; `version` is that of its mapping, None until it has one."""

    name: str
    device_id: int
    version: int | None


@dataclass(frozen=True, slots=True)
class WaitingPayload:
    """A payload as it came; `topic` is that of what came by MQTT, `body` None where it was dropped."""

    id: int
    key: str
    received_at: datetime
    content_type: str
    topic: str | None
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Unmapped payloads of one source that were dropped."""

    source: str
    device_id: int | None
    payloads: int
    bytes: int
    since: datetime


@dataclass(frozen=True, slots=True)
class PayloadCounts:
    """What of a source waits and is unmapped; the oldest that waits has waited for `oldest_s` seconds."""

    source: str
    waiting: int
    unmapped: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of a source as mapping_turn has it: in hand where it is `open`, else the last one."""

    worker: UUID
    open: bool
    first_id: int
    last_id: int
    until_id: int
    deaths: int


@statement
async def try_lock_source(connection: Connection, source: str) -> bool:
    """Whether this connection is now the only one that maps a source."""


@statement
async def unlock_source(connection: Connection, source: str) -> bool:
    """Let others map a source."""


@statement
async def last_turn(connection: Connection, source: str) -> Turn | None:
    """The turn that was in hand last."""


@statement
async def begin_turn(
    connection: Connection, source: str, worker: UUID, first_id: int, last_id: int, until_id: int, deaths: int
) -> None:  # fmt: skip
    """Say what is taken in hand, before it can do harm."""


@statement
async def end_turn(connection: Connection, source: str, given_back: bool) -> None:
    """Say that a turn's worker has lived through it, and whether its payloads were given back as they were."""


@statement
async def waiting_sources(database: Database) -> list[WaitingSource]:
    """Sources that are on and have something waiting."""


@statement
async def mapping_document(database: Database, source: str, version: int) -> str | None:
    """A mapping as its author wrote it."""


@statement
async def waiting_payloads(
    database: Database, source: str, most: int, most_bytes: int, behind: int
) -> list[WaitingPayload]:  # fmt: skip
    """A source's next payloads in their order."""


@statement
async def lock_payloads(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Take what waits still for this transaction."""


@statement
async def note_facts(
    connection: Connection, device_id: int, keys: Sequence[str], manufacturers: Sequence[str], products: Sequence[str],
    serials: Sequence[str], firmwares: Sequence[str], parents: Sequence[str],
) -> None:  # fmt: skip
    """Note what payloads tell of meters of a source's device."""


@statement
async def settle_payloads(
    connection: Connection, ids: Sequence[int], device_id: int, version: int, states: Sequence[str],
    readings: Sequence[int], events: Sequence[int], reasons: Sequence[str | None],
) -> None:  # fmt: skip
    """Note what became of payloads."""


@statement
async def retry_untried(database: Database, most: int) -> Affected:
    """Have what a new version may make something of wait again."""


@statement
async def forget_bodies(database: Database, before: datetime, most: int) -> Affected:
    """Drop bodies of mapped payloads."""


@statement
async def forget_mapped(database: Database, before: datetime, partly_before: datetime, most: int) -> Affected:
    """Drop rows of mapped payloads."""


@statement
async def forget_unmapped(connection: Connection, before: datetime, most_bytes: int, most: int) -> list[Forgotten]:
    """Drop unmapped payloads that are too old, or too many by their bytes."""


@statement
async def count_payloads(database: Database) -> list[PayloadCounts]:
    """What waits and what is unmapped, by source."""
