"""Who acts, and by what name."""

from dataclasses import dataclass
from typing import Final

from broker.contract.identity import GATEWAY, INGESTOR
from gateway.roles import Role


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who showed a token or logged in; `name` stands in the audit, and as author of what they change."""

    name: str
    role: Role
    token_id: int | None = None
    """None for the token of the gateway's settings, for a user, and where no token is asked for."""
    account_id: int | None = None
    """Of a user who logged in by name and password."""

    @property
    def caller(self) -> str:
        """As whom their requests are counted."""
        return f"token {self.token_id}" if self.account_id is None else f"user {self.account_id}"


LOCAL: Final = Principal("local", Role.ADMIN)
"""Whoever reaches a gateway without a token, which listens on loopback only."""
SETTING: Final = Principal("api", Role.ADMIN)
"""Whoever shows the token of the gateway's settings."""
HAND: Final = "hand"
"""The author of what is published by hand, whose sender MQTT does not name."""
SYSTEM: Final = "system"
"""The author of what follows by itself."""
ENROLMENT: Final = "enrolment"
"""Who lets devices in that a claim lets in."""
_RESERVED: Final = frozenset({LOCAL.name, SETTING.name, HAND, SYSTEM, ENROLMENT, INGESTOR, GATEWAY})
"""Names that are no person's: an author of one of them is never somebody's token. The platform acts under no other."""
CLAIM_MAX: Final = 64
"""Characters of a claimed author that are kept."""


def is_reserved(name: str) -> bool:
    """Whether a name is the platform's own, however it is written, so that no person or token may have it. Pure."""
    return name.casefold() in _RESERVED


def author_of(actor: str, claimed: str | None) -> str:
    """Who a change is by: who was recognised, and in brackets whom they name, where that is another.

    A name has no blank, so the words before the first one are who it was, whatever is claimed. Pure.
    """
    shown = "".join(sign for sign in (claimed or "") if sign.isprintable()).strip()[:CLAIM_MAX]
    return f"{actor} (for {shown})" if shown and shown != actor else actor
