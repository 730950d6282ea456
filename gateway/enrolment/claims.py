"""Claims: made, recognised and revoked. A claim's token is kept as a hash only."""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Final

from broker.patterns import NAME_MAX
from gateway.enrolment.rules import Approval
from gateway.enrolment.store import ListedClaim, StoredClaim, add_claim, find_claim, revoke_claim
from gateway.faults import Fault, Kind, Refusal, conflict, invalid
from store.pool import Pool

TOKEN_PREFIX: Final = "wlc_"  # noqa: S105 - what tokens begin with, so that scanners can find a leaked one
KNOWN: Final = 1024
"""Claims of which it is remembered that their token was shown."""


def digest(token: str) -> bytes:
    """What is kept of a token of 256 random bits."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


class EnrolmentClaims:
    """Makes, recognises and revokes claims."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    async def make(
        self, name: str | None, site: str | None, uses: int, until: datetime, approval: Approval, by: str
    ) -> tuple[ListedClaim, str]:
        """A claim and its token, which nobody keeps. Raises Refusal: one of this name was there, or it has ended."""
        if until <= datetime.now(UTC):
            raise invalid("until", f"{until:%Y-%m-%dT%H:%MZ} is past", "give a time to come")
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        given = name or f"{(site or 'claim')[: NAME_MAX - 9]}-{secrets.token_hex(4)}"
        made = await add_claim(self._pool, given, digest(token), site, uses, until, approval, by)
        if made is None:
            fault = Fault("name", f"there is or was a claim {given!r}", "take another name: none is used twice")
            raise conflict(str(fault), [fault])
        return made, token

    async def revoke(self, name: str, by: str) -> ListedClaim:
        """End a claim: nobody enters by it any more, also those who wait by it. Raises Refusal: unknown."""
        revoked = await revoke_claim(self._pool, name, by)
        if revoked is None:
            fault = Fault("claim", f"no claim {name[:100]!r} that lives", "GET /api/v1/claims lists them")
            raise Refusal(Kind.UNKNOWN, f"there is no claim {name[:100]!r} that lives", [fault])
        self._known.clear()
        return revoked

    def knows(self, name: str, token: str) -> bool:
        """Whether this token was the claim's when it was last shown; the database isn't asked."""
        return (name, digest(token)) in self._known

    async def recognise(self, name: str, token: str) -> StoredClaim | None:
        """The claim whose token this is, also one that has ended; None for nobody's, and for one that is revoked."""
        if "\0" in name:
            return None
        found = await find_claim(self._pool, name[:NAME_MAX])
        key = (name, digest(token))
        # compared also where there is no such claim: the time taken tells no names
        right = hmac.compare_digest(found.sha256 if found else b"\0" * 32, key[1])
        if found is None or not right or found.revoked_at is not None:
            self._known.pop(key, None)
            return None
        self._known[key] = None
        while len(self._known) > KNOWN:
            self._known.popitem(last=False)
        return found
