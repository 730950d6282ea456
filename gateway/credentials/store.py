"""Credentials in the store, and the word to those who make the broker match."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from store.sql import Database, statement

CredentialKind = Literal["certificate", "password"]


@dataclass(frozen=True, slots=True)
class Credential:
    """An identity by which a device may log in, or might until it was revoked."""

    identity: str
    device: str
    kind: CredentialKind
    granted_at: datetime
    granted_by: str
    revoked_at: datetime | None
    revoked_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class CredentialState:
    """What the broker is to do about an identity."""

    identity: str
    kind: CredentialKind
    revoked: bool


@dataclass(frozen=True, slots=True)
class LastSeen:
    """What a device said of itself as it last came online."""

    device: str
    boot: str
    software: str


@dataclass(frozen=True, slots=True)
class Entered:
    """Logins that were entered; `first` where no other gateway had."""

    at: datetime
    name: str
    refused: bool
    first: bool


@statement
async def note_logins(
    database: Database, ats: Sequence[datetime], names: Sequence[str], refused: Sequence[bool], times: Sequence[int]
) -> list[Entered]:
    """Enter how often names were let in or refused."""


@statement
async def forget_logins(database: Database) -> None:
    """Drop logins of more than 30 days ago."""


@statement
async def revoked_online(database: Database) -> list[LastSeen]:
    """Devices that are online as far as the store knows, and have no login left."""


@statement
async def credential_states(database: Database) -> list[CredentialState]:
    """Every identity that was ever granted."""


@statement
async def credential_states_of(database: Database, devices: Sequence[str]) -> list[CredentialState]:
    """Every identity that some devices were ever granted."""


@statement
async def is_live(database: Database, identity: str) -> bool:
    """Whether a login was granted and not revoked."""


@statement
async def take_device_lock(database: Database, device: str) -> None:
    """Decide about one device one by one, also between two gateways, until the transaction ends."""


@statement
async def take_broker_lock(database: Database) -> None:
    """Change devices' logins at the broker one by one, also between two gateways, until the transaction ends."""


@statement
async def credentials_of(database: Database, device: str) -> list[Credential]:
    """The credentials of a device, the oldest first."""


@statement
async def is_known_device(database: Database, device: str) -> bool:
    """Whether there is such a device, or ever was a login of it."""


@statement
async def revoke_credentials(database: Database, device: str, by: str, reason: str | None) -> list[str]:
    """Revoke whatever a device logs in by, also a login that only the broker knows; the identities that this ended."""


@statement
async def grant_password(database: Database, identity: str, device: str, by: str) -> None:
    """Let a device log in by a password, also where that was revoked."""


@statement
async def note_found(database: Database, identities: Sequence[str], devices: Sequence[str]) -> list[str]:
    """Enter logins of devices that somebody made at the broker; those that were not known."""


@statement
async def tell_credentials(database: Database) -> None:
    """Have the gateways make the broker match, at the commit."""
