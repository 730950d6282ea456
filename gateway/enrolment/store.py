"""Claims, enrolments, device logins and certificates in the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import Json

from gateway.enrolment.rules import Approval, State
from store.sql import Affected, Database, statement


@dataclass(frozen=True, slots=True)
class StoredClaim:
    """A claim with the hash of its token, and how many wait by it."""

    name: str
    sha256: bytes
    site: str | None
    uses: int
    used: int
    until: datetime
    approval: Approval
    revoked_at: datetime | None
    waiting: int


@dataclass(frozen=True, slots=True)
class ListedClaim:
    """A claim as a person sees it."""

    name: str
    site: str | None
    uses: int
    used: int
    until: datetime
    approval: Approval
    author: str
    created_at: datetime
    revoked_at: datetime | None
    revoked_by: str | None
    waiting: int


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """What is known of a device that enrols; see rules.KnownDevice."""

    registered: bool
    seen_at: datetime | None
    identity: str | None
    live: bool
    hardware: str | None
    site: str | None
    identities: int
    disputed: bool


@dataclass(frozen=True, slots=True)
class WaitingFrom:
    """How many wait for a person from an address, and how many of these are one device's by one claim or by none."""

    address: str
    waiting: int
    of_device: int


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a device asked for with one key, and what was decided; `live` is whether its login may be used."""

    id: int
    device: str
    hardware: str
    state: State
    reason: str | None
    identity: str | None
    claim: str | None
    live: bool


@dataclass(frozen=True, slots=True)
class ListedEnrolment:
    """An enrolment as a person sees it."""

    id: int
    device: str
    hardware: str
    facts: Json[Mapping[str, object]]
    spki_sha256: str
    claim: str | None
    site: str | None
    address: str
    state: State
    reason: str | None
    identity: str | None
    asked_at: datetime
    last_asked_at: datetime
    decided_at: datetime | None
    decided_by: str | None


@dataclass(frozen=True, slots=True)
class Renewing:
    """The certificate by which a device asks for the next one; its hardware is None where no enrolment gave it."""

    identity: str
    device: str
    not_after: datetime
    live: bool
    spki_sha256: bytes
    hardware: str | None


@dataclass(frozen=True, slots=True)
class ClaimSite:
    """The site of a claim by which a device came."""

    site: str
    claim: str


@statement
async def site_to_label(database: Database, device: str) -> ClaimSite | None:
    """The site that a device's labels are to say, None where there is none, or where they say something already."""


@statement
async def add_claim(
    database: Database, name: str, sha256: bytes, site: str | None, uses: int, until: datetime, approval: Approval,
    author: str,
) -> ListedClaim | None:  # fmt: skip
    """Enter a claim; None where there was one of this name."""


@statement
async def find_claim(database: Database, name: str) -> StoredClaim | None:
    """A claim by its name."""


@statement
async def lock_claim(database: Database, name: str) -> StoredClaim | None:
    """The same, held until the transaction ends, so that its uses are counted one by one."""


@statement
async def count_claim_use(database: Database, name: str) -> None:
    """One more was let in by it."""


@statement
async def revoke_claim(database: Database, name: str, author: str) -> ListedClaim | None:
    """End a claim; None where there is none of this name that lives."""


@statement
async def list_claims(database: Database, after: str, revoked: bool, limit: int) -> list[ListedClaim]:
    """Claims by name, with those that were revoked or without."""


@statement
async def known_device(database: Database, device: str) -> KnownDevice:
    """What is known of a device."""


@statement
async def find_enrolment(database: Database, device: str, hardware: str, spki_sha256: bytes) -> Enrolment | None:
    """What was decided about a device's key."""


@statement
async def enrolment_by_id(database: Database, enrolment_id: int) -> Enrolment | None:
    """An enrolment by its number."""


@statement
async def add_enrolment(
    database: Database, device: str, hardware: str, facts: Json[Mapping[str, object]], spki_sha256: bytes, csr: bytes,
    claim: str | None, address: str, reason: str | None,
) -> int:  # fmt: skip
    """Enter one that waits; returns its number."""


@statement
async def asked_again(database: Database, enrolment_id: int, address: str, reason: str | None) -> None:
    """A device asked again for what it waits for."""


@statement
async def decide_enrolment(
    database: Database, enrolment_id: int, state: State, identity: str | None, by: str, reason: str | None
) -> Affected:
    """Enter what was decided about one that waits."""


@statement
async def list_enrolments(
    database: Database, before: int, state: State | None, device: str | None, limit: int
) -> list[ListedEnrolment]:
    """Enrolments before a number, the newest first."""


@statement
async def list_waiting(database: Database, device: str, claim: str | None) -> list[WaitingFrom]:
    """How many wait, address by address."""


@statement
async def count_waiting(database: Database) -> int:
    """How many wait."""


@statement
async def grant_login(database: Database, identity: str, device: str, by: str) -> None:
    """Let a device log in by certificates of this name."""


@statement
async def revoke_logins(database: Database, device: str, but: str, by: str, reason: str) -> list[str]:
    """End all logins of a device but one; returns which."""


@statement
async def add_certificate(
    database: Database,
    serial: str,
    identity: str,
    spki_sha256: bytes,
    not_before: datetime,
    not_after: datetime,
    public_key: bytes,
) -> None:
    """Enter a certificate that is given out."""


@statement
async def find_certificate(database: Database, serial: str, identity: str) -> Renewing | None:
    """A certificate that was given out, by what a client shows of it."""


@statement
async def find_successor(database: Database, identity: str, spki_sha256: bytes) -> bytes | None:
    """The key that was asked for by one of a login's keys."""


@statement
async def find_end(database: Database, identity: str, spki_sha256: bytes) -> datetime | None:
    """When the last certificate of one of a login's keys ends or ended, None where none was given out."""


@statement
async def enter_successor(database: Database, identity: str, spki_sha256: bytes, successor_sha256: bytes) -> None:
    """Enter it, where there was none."""


@statement
async def refusal_told(database: Database, device: str) -> bool:
    """Whether it was told within the hour that a device's renewal was refused."""
