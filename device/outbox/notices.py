"""What an operator should know of the outbox and the write-ahead: counts, and what is to be sent as events. No I/O."""

from collections import deque
from dataclasses import dataclass
from typing import Any, Final, Literal

KEPT_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be sent as an event."""

    event: str
    severity: Literal["info", "warning", "error"]
    detail: dict[str, Any]


@dataclass(slots=True)
class Counts:
    """What happened since the start, in messages.

    `dropped` and `thinned` were lost before the broker had them; `unconfirmed_dropped` the broker had, and the store
    may have.
    """

    appended: int = 0
    acknowledged: int = 0
    confirmed: int = 0
    dropped: int = 0
    thinned: int = 0
    unconfirmed_dropped: int = 0
    damaged: int = 0
    disk_errors: int = 0


class Notices:
    """The newest KEPT_MAX; those of one kind that follow one another are one, with the sum of their messages."""

    def __init__(self) -> None:
        self._kept: deque[Notice] = deque(maxlen=KEPT_MAX)

    def add(self, event: str, severity: Literal["info", "warning", "error"], **detail: Any) -> None:
        """Take one more."""
        last = self._kept[-1] if self._kept else None
        if last is not None and last.event == event and "messages" in detail and "messages" in last.detail:
            self._kept.pop()
            detail["messages"] += last.detail["messages"]
        self._kept.append(Notice(event, severity, detail))

    def take(self) -> list[Notice]:
        """What there is since the last call."""
        notices = list(self._kept)
        self._kept.clear()
        return notices
