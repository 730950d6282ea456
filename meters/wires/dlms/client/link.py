"""What a client's links have in common, HDLC on a line and the wrapper over TCP."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Opened:
    """The meter took the connection."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The meter let the connection go."""


@dataclass(frozen=True, slots=True)
class More:
    """The meter waits for this before it goes on."""

    data: bytes
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Replied:
    """The meter's whole answer."""

    message: bytes


Heard = Opened | Closed | More | Replied


class Link(Protocol):
    """One connection to one meter; see HdlcLink and WrapperLink."""

    attempts: int

    @property
    def deadline_s(self) -> float:
        """How long to wait for more of an answer."""
        ...

    def open(self) -> bytes:
        """What opens the link; empty where nothing need be sent, and then it is open."""
        ...

    def ask(self, message: bytes) -> bytes:
        """What sends a message, or its beginning."""
        ...

    def close(self) -> bytes:
        """What closes the link; empty where it is not open."""
        ...

    def repeat(self) -> bytes:
        """What was sent last; empty where that would help nothing."""
        ...

    def feed(self, data: bytes) -> list[Heard]:
        """Take what was heard. Raises FrameError."""
        ...
