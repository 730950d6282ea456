"""A payload as it came, what is answered of it, and why it may not be taken."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from broker.errors import WattlineError

OVERHEAD_BYTES: Final = 1024
"""What a payload takes in memory beside its body: so that a flood of empty ones is bounded by bytes, too."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What a third party sent; a source has one payload of a key, whoever brings it again."""

    source: str
    key: str
    """The sender's idempotency key, else the SHA-256 of the body in hex."""
    body: bytes
    """As it was sent, but for its compression."""
    content_type: str = ""
    topic: str | None = None
    """The MQTT topic, of what came by one."""
    came_at: datetime | None = None
    """When it came, of what is sent no second time by its sender and may wait here for the database."""

    @property
    def size(self) -> int:
        """Bytes that it takes while it waits."""
        return len(self.body) + OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class Kept:
    """A payload that is committed."""

    id: int
    repeated: bool
    """It was there already, by its key; nothing was changed."""


class InboxError(WattlineError):
    """A payload that is not known to be kept: it is to be sent again, by the same key, after `retry_after_s`."""

    def __init__(self, reason: str, retry_after_s: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class InboxFullError(InboxError):
    """Too many payloads wait for the database already, of this source or of all; it was not taken."""


class InboxAwayError(InboxError):
    """The database is away or too slow. Where it went amid the commit the payload may be kept all the same."""


class PayloadRefusedError(InboxError):
    """The database refuses this payload, and would for ever: a key that is too long, say."""


class KeyReusedError(PayloadRefusedError):
    """Another body has this key already: to call this one a repeat would lose it."""
