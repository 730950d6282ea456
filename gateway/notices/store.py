"""Channels, rules and messages in the store, as people see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Json

from store.sql import Affected, Connection, Database, statement

DeliveryState = Literal["waiting", "sent", "dead"]


@dataclass(frozen=True, slots=True)
class StoredChannel:
    """A channel without its secrets, and how its messages stand."""

    name: str
    kind: str
    shown: str
    author: str
    created_at: datetime
    changed_at: datetime
    failures: int
    not_before: datetime | None
    answer: str | None
    answered_at: datetime | None
    waiting: int
    dead: int


@dataclass(frozen=True, slots=True)
class StoredRule:
    """A rule; `found` is what it has found and not told the end of, `more` what it only counted."""

    name: str
    document: Json[Mapping[str, object]]
    author: str
    created_at: datetime
    changed_at: datetime
    told_at: datetime | None
    more: int
    found: int


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A message; a test has no rule."""

    id: UUID
    rule: str | None
    channel: str
    made_at: datetime
    state: DeliveryState
    tries: int
    title: str
    text: str
    event: Json[Mapping[str, object]]
    answer: str | None
    changed_at: datetime


@statement
async def list_channels(database: Database, name: str | None) -> list[StoredChannel]:
    """All channels, or one."""


@statement
async def put_channel(
    connection: Connection, name: str, kind: str, shown: str, sealed: bytes, master: str, author: str
) -> None:  # fmt: skip
    """Enter a channel, or replace it."""


@statement
async def drop_channel(connection: Connection, name: str) -> Affected:
    """Remove a channel, with its messages."""


@statement
async def count_rules(database: Database, channel: str | None) -> int:
    """How many rules there are, or tell a channel."""


@statement
async def count_channels(database: Database) -> int:
    """How many channels there are."""


@statement
async def list_rules(database: Database, name: str | None) -> list[StoredRule]:
    """All rules, or one."""


@dataclass(frozen=True, slots=True)
class SentCode:
    """A code, and how many meters have sent it."""

    obis: str
    meters: int


@statement
async def codes_sent(database: Database, meters: Sequence[str], obis: str, unit: str) -> list[SentCode]:
    """Of meters whose keys fit LIKE patterns: this code, first, and others in that unit."""


@statement
async def put_rule(
    connection: Connection, name: str, channel: str, enabled: bool, events: Sequence[str],
    document: Json[Mapping[str, object]], author: str,
) -> None:  # fmt: skip
    """Enter a rule, or replace it."""


@statement
async def forget_found(connection: Connection, rule: str) -> None:
    """Forget what a rule has found."""


@statement
async def drop_rule(connection: Connection, name: str) -> Affected:
    """Remove a rule."""


@statement
async def list_deliveries(
    database: Database, number: UUID | None, state: str | None, channel: str | None, before: datetime | None,
    before_id: UUID | None, limit: int,
) -> list[StoredDelivery]:  # fmt: skip
    """Messages, the newest first."""


@statement
async def replay_delivery(database: Database, number: UUID, tries: int) -> Affected:
    """Have a dead message sent again, by the same id."""


@statement
async def wake_channel(database: Database, number: UUID) -> None:
    """Let the channel of a message rest no longer."""


@statement
async def add_test(
    database: Database, number: UUID, channel: str, event: Json[Mapping[str, object]], title: str, text: str
) -> None:  # fmt: skip
    """Enter a test, which is tried once."""
