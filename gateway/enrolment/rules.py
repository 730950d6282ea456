"""Who is let in, who waits for a person, and who is not: the rules of enrolment. Pure functions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

Approval = Literal["at_once", "by_person"]
State = Literal["waiting", "issued", "refused"]
DEVICE_WAITS: Final = 5
"""Requests of one device that wait for a person by one claim, or by certificates."""
ADDRESS_WAITS: Final = 200
"""Requests from one address that wait, a site's Pis behind one router."""
AT_ONCE_RETRY_S: Final = 30
"""A device that waits for what passes by itself asks again after so long."""


class Why(StrEnum):
    """Why a device waits; each is a sentence for a person."""

    CLAIM = "the claim wants a person's yes"
    OTHER_HARDWARE = "another machine has this device id"
    REVOKED = "this device's login was revoked"
    WITHOUT_CERTIFICATE = "this device is known, and did not log in by a certificate"
    ALIVE = "a device of this id is connected"
    OTHER_SITE = "this device was enrolled by a claim of another site"
    SUCCEEDED = "another key has followed the one of the certificate that was shown: one of both is a copy's"
    DISPUTED = "somebody else who shows a certificate of this device waits"

    @property
    def severity(self) -> Literal["info", "warning", "error"]:
        """How much it looks like a clone or worse, so that an operator should hear of it now."""
        if self in (Why.OTHER_HARDWARE, Why.REVOKED, Why.OTHER_SITE):
            return "error"
        return "warning" if self in (Why.SUCCEEDED, Why.DISPUTED) else "info"

    @property
    def passes(self) -> bool:
        """Whether it may end without a person."""
        return self is Why.ALIVE


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as it stands."""

    name: str
    site: str | None
    uses: int
    used: int
    until: datetime
    approval: Approval
    revoked_at: datetime | None
    waiting: int
    """Enrolments that wait by it."""


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """What is known of a device that enrols."""

    registered: bool
    """Whether it ever told what it is, which it could not without a login."""
    seen_at: datetime | None
    """When it was last heard, where it is online; None where it is not."""
    identity: str | None
    """Its newest login; None where it never had one."""
    live: bool
    """Whether a login of its may still be used."""
    hardware: str | None
    """On which machine its newest login was given out; None where that was no certificate."""
    site: str | None
    """Of the claim by which it was."""
    identities: int
    """The highest number that one of its logins has."""
    disputed: bool = False
    """Whether somebody waits for a person who showed a certificate of this device, from another machine or too late."""


def fault_of_claim(claim: Claim, now: datetime) -> str:
    """Why nobody new may enter by a claim, empty where they may."""
    if claim.revoked_at is not None:
        return f"the claim {claim.name!r} is revoked"
    if claim.until <= now:
        return f"the claim {claim.name!r} ended at {claim.until:%Y-%m-%dT%H:%MZ}"
    if claim.used >= claim.uses:
        return f"the claim {claim.name!r} is used up: {claim.uses} of {claim.uses}"
    return ""


def fault_of_waiting(claim: Claim | None, of_device: int, from_address: int) -> str:
    """Why one more may not wait for a person, empty where it may.

    Who has a claim can't fill the list beyond what it could let in; who has a certificate (then there is no claim), not
    beyond a few requests for its own device; and whatever one address has, there is room for the others.
    """
    if claim is not None and claim.waiting >= claim.uses:
        return f"{claim.waiting} devices wait by the claim {claim.name!r}, as many as it is for"
    if of_device >= DEVICE_WAITS:
        return f"{of_device} requests of this device wait for a person already"
    if from_address >= ADDRESS_WAITS:
        return f"{from_address} requests from this address wait for a person already"
    return ""


def why_wait(claim: Claim, known: KnownDevice, hardware: str, now: datetime, alive: timedelta) -> Why | None:
    """What speaks against letting a device in at once, None where nothing does.

    A machine that was flashed anew comes with another key and is silent itself: its old login ends. While the old one
    is connected this is somebody else, or the same a moment too early.
    """
    by_certificate = known.hardware is not None
    reasons = (
        (Why.REVOKED, known.identity is not None and not known.live),
        (Why.WITHOUT_CERTIFICATE, (known.live or known.registered) and not by_certificate),
        (Why.OTHER_HARDWARE, known.live and known.hardware != hardware),
        (Why.OTHER_SITE, known.live and known.site != claim.site),
        (Why.DISPUTED, known.live and known.disputed),
        (Why.CLAIM, claim.approval == "by_person"),
        (Why.ALIVE, known.live and known.seen_at is not None and known.seen_at > now - alive),
    )
    return next((why for why, holds in reasons if holds), None)


def next_identity(device: str, identities: int) -> str:
    """The name of a device's next login: its id, then `~2`, `~3`; never one that it had before."""
    return device if identities == 0 else f"{device}~{identities + 1}"


@dataclass(frozen=True, slots=True)
class Succession:
    """Keys, each as a digest: of the certificate that is shown, of the next one as asked, and what followed either."""

    shown: bytes
    asked: bytes
    successor: bytes | None
    """Of the shown one."""
    after: bytes | None
    """Of the asked one."""

    @property
    def forked(self) -> bool:
        """Whether another key has followed one of both, so that one of those who had it is a copy.

        The same next key again is somebody to whom the answer did not come through, as long as none has followed it.
        """
        return self.after is not None or (self.successor is not None and self.successor != self.asked)


def fault_of_age(ended_at: datetime, now: datetime, grace: timedelta) -> str:
    """Why a certificate is too old to renew itself, empty where it is not."""
    if ended_at + grace > now:
        return ""
    return f"it ended at {ended_at:%Y-%m-%dT%H:%MZ}, too long ago to renew itself; enrol by a claim"


def fault_of_renewal(
    *, ended_at: datetime, now: datetime, grace: timedelta, live: bool, hardware: str | None, asked_hardware: str
) -> str:
    """Why a certificate does not renew itself, empty where it does, as far as its keys agree."""
    if not live:
        return "its login was revoked"
    if fault := fault_of_age(ended_at, now, grace):
        return fault
    if hardware is not None and hardware != asked_hardware:
        return f"it was given to another machine ({hardware}), and this is {asked_hardware}"
    return ""
