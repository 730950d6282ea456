"""Commands in the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import Json

from broker.contract.messages import Reply
from gateway.commands.models import State
from store.sql import Database, statement


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """A command and what came of it."""

    id: UUID
    batch: UUID
    device: str
    online: bool | None
    command: str
    arguments: Json[Mapping[str, object]]
    author: str
    reason: str | None
    created_at: datetime
    expires_at: datetime
    published_at: datetime | None
    state: State
    reply: Json[Reply] | None
    replied_at: datetime | None


@dataclass(frozen=True, slots=True)
class WaitingCommand:
    """A command that is to be published, with how long it may still be begun."""

    id: UUID
    device: str
    command: str
    arguments: Json[dict[str, object]]
    left_s: float
    resend_at: datetime | None
    """When its device, connected anew, was found not to have heard it."""


@dataclass(frozen=True, slots=True)
class ExpiredCommand:
    """A command that had no reply in time."""

    id: UUID
    device: str
    command: str


@dataclass(frozen=True, slots=True)
class Target:
    """A device that a command is for; `commands` are those that its software knows, None where it never said."""

    name: str
    commands: Json[list[str]] | None
    software: str | None


@dataclass(frozen=True, slots=True)
class Load:
    """Commands without an end yet: of a device, and of all."""

    name: str
    in_flight: int
    in_all: int


@dataclass(frozen=True, slots=True)
class StateCount:
    """How many commands are in a state."""

    state: State
    commands: int


@dataclass(frozen=True, slots=True)
class NotedReply:
    """A command whose reply was new."""

    command: str
    late: bool


@statement
async def take_command_lock(database: Database) -> None:
    """Let no other gateway count and use up the bounds until the transaction ends."""


@statement
async def add_commands(
    database: Database, ids: Sequence[UUID], devices: Sequence[str], batch: UUID, command: str,
    arguments: Json[Mapping[str, object]], author: str, reason: str | None, gateway: str, life_s: float,
) -> None:  # fmt: skip
    """Enter a command for each of these devices."""


@statement
async def command_targets(database: Database, devices: Sequence[str]) -> list[Target]:
    """Those of these devices that are known."""


@statement
async def command_load(database: Database, devices: Sequence[str]) -> list[Load]:
    """How many commands wait for the replies of these devices."""


@statement
async def command_devices(database: Database, command: UUID, batch: UUID) -> list[str]:
    """The devices of a command, or of a batch."""


@statement
async def has_open_command(database: Database, command: UUID, batch: UUID) -> bool:
    """Whether one of them waits for its reply."""


@statement
async def list_commands(
    database: Database, command: UUID | None, batch: UUID | None, device: str | None, name: str | None,
    state: State | None, before: datetime | None, before_id: UUID | None, limit: int,
) -> list[StoredCommand]:  # fmt: skip
    """Commands, the newest first, from behind a place."""


@statement
async def command_counts(database: Database, batch: UUID) -> list[StateCount]:
    """How many commands of a batch are in each state that one is in."""


@statement
async def note_reply(
    database: Database, command: UUID, device: str, state: State, reply: Json[Mapping[str, object]]
) -> NotedReply | None:
    """Record a reply; None where there is no such command, or it has its reply."""


@statement
async def has_command(database: Database, command: UUID, device: str) -> bool:
    """Whether the device was ever sent this."""


@statement
async def resend_commands(database: Database, device: str) -> list[UUID]:
    """Have published again what a device has not replied to."""


@statement
async def expire_commands(database: Database) -> list[ExpiredCommand]:
    """End what has had no reply in time."""


@statement
async def commands_to_publish(
    database: Database, gateway: str, left_to_others_s: float, limit: int
) -> list[WaitingCommand]:
    """Commands of this gateway that no broker has yet, and those that another gateway took and left."""


@statement
async def note_commands_published(
    database: Database, commands: Sequence[UUID], resend_at: Sequence[datetime | None]
) -> None:
    """The broker has them, as they were to be sent then: one whose device connected anew since is sent once more."""


@statement
async def forget_commands(database: Database, days: int) -> None:
    """Delete what ended so long ago."""
