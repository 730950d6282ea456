"""Meters that several devices register: the claims of those that wait, and the moves that came of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.fleet.claims import Claim, Why
from store.sql import Database, statement


@dataclass(frozen=True, slots=True)
class NewestRead:
    """A meter, and the newest that its owner told of it."""

    key: str
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class MoveToRetry:
    """A move after which quarantine is to be taken again; `kept` says whether it holds anything of that."""

    id: int
    meter: str
    device: str
    kept: bool


@dataclass(frozen=True, slots=True)
class ClaimCounts:
    """Claims that wait."""

    waiting: int
    disputed: int


@statement
async def enter_claims(
    database: Database, device_id: int, keys: Sequence[str], since: Sequence[datetime], at: datetime
) -> list[str]:
    """Note that a device shows these meters of others; of which an event is due."""


@statement
async def known_claims(database: Database, device_id: int, keys: Sequence[str]) -> list[str]:
    """Of these meters those that a device claims, or did within a month."""


@statement
async def refused_claims(database: Database, device_id: int, keys: Sequence[str]) -> list[str]:
    """Of these meters those whose claim by a device a person has refused."""


@statement
async def hide_claims(database: Database, device_id: int, keys: Sequence[str]) -> None:
    """Note that a device no longer shows any other meters than these."""


@statement
async def wake_claims(database: Database, keys: Sequence[str]) -> None:
    """Have claims of these meters judged now."""


@statement
async def due_claims(database: Database, limit: int) -> list[Claim]:
    """Claims to be judged, of some devices all that they have open."""


@statement
async def find_claim(database: Database, key: str, device: str) -> Claim | None:
    """A device's claim of a meter."""


@statement
async def claims_behind(database: Database, key: str, device: str) -> list[Claim]:
    """A device's open claims of what stands behind a meter at its owner's."""


@statement
async def spoken_of(
    database: Database, meter_ids: Sequence[int], device_ids: Sequence[int], since: Sequence[datetime]
) -> list[int]:
    """Of these meters those of which the device beside each has sent anything since the time beside it."""


@statement
async def put_off_claims(
    database: Database, meter_ids: Sequence[int], device_ids: Sequence[int], disputed: Sequence[bool], every_s: float
) -> None:
    """Judge claims again later, and note which are disputed."""


@statement
async def drop_claim(database: Database, meter_id: int, device_id: int) -> None:
    """Forget a claim that has been granted."""


@statement
async def refuse_claim(database: Database, meter_id: int, device_id: int, author: str) -> None:
    """Have a claim wait until a person says otherwise."""


@statement
async def forget_claims(database: Database) -> None:
    """Delete those of a month ago that nobody makes any more."""


@statement
async def claim_counts(database: Database) -> ClaimCounts:
    """How many wait."""


@statement
async def newest_read(database: Database, keys: Sequence[str]) -> list[NewestRead]:
    """The newest that the owners of these meters told of them."""


@statement
async def describe_moves(
    database: Database, keys: Sequence[str], floors: Sequence[datetime | None], why: Why, author: str
) -> None:
    """Say of the moves that were just made when the meters' new stays began, why, and by whose word.

    Nothing before `floors` becomes the new device's.
    """


@statement
async def moves_to_retry(database: Database, limit: int) -> list[MoveToRetry]:
    """Moves after which quarantine is to be taken again now."""


@statement
async def note_retry(database: Database, number: int, again_s: float) -> None:
    """Note that it was, and when it is to be once more."""
