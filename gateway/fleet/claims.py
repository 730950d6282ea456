"""When a meter that another device registers too becomes that one's. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

Why = Literal["given_up", "silent", "person"]
CADENCES: Final = 3
"""A meter is silent once it has missed so many of its own readings."""
CLOCKS_OFF: Final = timedelta(minutes=15)
"""A meter's clock may be ahead by so much: a reading of then may have been taken before."""
NEXT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class SilenceLimits:
    """For how long nothing must have come of a meter; `disputed_s` where its owner has read it after the claim."""

    silence_s: float
    disputed_s: float


@dataclass(frozen=True, slots=True)
class Claim:
    """A device that registers a meter of another's, and what is known of that one's hold on it.

    `since` is the device's word for when it first heard the meter, `claimed_at` when we knew of it. `read_at` is the
    newest that the owner told of the meter, `heard_at` when the meter last showed that it stands there, `removed_at`
    when the owner gave it up. `parent` is the key of the meter that it stands behind at the owner's. `now` is the
    store's time.
    """

    meter_id: int
    key: str
    parent: str | None
    device_id: int
    device: str
    owner_id: int
    owner: str
    since: datetime
    claimed_at: datetime
    disputed_at: datetime | None
    refused_at: datetime | None
    shown: bool
    removed_at: datetime | None
    read_at: datetime | None
    heard_at: datetime | None
    cadence_s: float
    now: datetime

    @property
    def at(self) -> datetime:
        """From when on the meter would be no more the owner's: never before what that one told of it."""
        return after(self.read_at, min(self.since, self.claimed_at))

    @property
    def disputed(self) -> bool:
        """Whether the owner has read the meter since the claim, so that it stood there still."""
        return self.disputed_at is not None or (
            self.read_at is not None and self.read_at > self.claimed_at + CLOCKS_OFF
        )

    def silence_s(self, limits: SilenceLimits) -> float:
        """For how long nothing must have come of the meter."""
        least_s = limits.disputed_s if self.disputed else limits.silence_s
        return max(least_s, CADENCES * self.cadence_s)

    def why(self, limits: SilenceLimits) -> Why | None:
        """Why the meter is the claimant's now, None where it is not."""
        if self.refused_at is not None or not self.shown:
            return None
        if self.removed_at is not None:
            return "given_up"
        heard_at = self.heard_at or self.claimed_at
        return "silent" if (self.now - heard_at).total_seconds() >= self.silence_s(limits) else None


def after(read_at: datetime | None, since: datetime) -> datetime:
    """A time since when a meter is another's, but not before the newest that its owner told of it."""
    return since if read_at is None else max(since, read_at + NEXT)


def granted(claims: Iterable[Claim], limits: SilenceLimits) -> list[tuple[Claim, Why]]:
    """Those of one device's claims that hold now; what stands behind a meter goes with it."""
    found: dict[str, Why] = {}
    given: dict[str, Claim] = {}
    waiting = sorted(claims, key=lambda claim: claim.parent is not None)
    for claim in waiting:
        carrier = given.get(claim.parent or "")
        together = carrier is not None and carrier.owner_id == claim.owner_id and claim.refused_at is None
        why = claim.why(limits) or (found[carrier.key] if carrier is not None and together else None)
        if why is not None:
            found[claim.key], given[claim.key] = why, claim
    return [(claim, found[claim.key]) for claim in waiting if claim.key in found]


def silent_since(held: Sequence[tuple[Claim, Why]], limits: SilenceLimits) -> dict[str, datetime]:
    """By key, since when nothing must have come of those that silence gives; what goes with a meter has that one's."""
    claims = {claim.key: claim for claim, why in held if why == "silent"}
    of = {key: claims.get(claim.parent or "", claim) for key, claim in claims.items()}
    return {key: claims[key].now - timedelta(seconds=one.silence_s(limits)) for key, one in of.items()}


def with_behind(keys: Iterable[str], parents: Mapping[str, str | None]) -> set[str]:
    """These meters and all that stands behind them, behind those and so on; `parents` by key."""
    found, before = set(keys), -1
    while len(found) > before:
        before = len(found)
        found |= {key for key, parent in parents.items() if parent in found}
    return found


def contested(owners: Mapping[str, int | None], free: Iterable[str], device_id: int) -> set[str]:
    """Of the meters that a device shows those that are another's; `free` are those that have been given up."""
    unclaimed = set(free)
    return {key for key, owner in owners.items() if owner is not None and owner != device_id and key not in unclaimed}
