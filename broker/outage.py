"""What is logged of a thing that is away: a line when it goes, ever rarer reminders, and one when it is back."""

import time
from collections.abc import Callable
from typing import Any, Final

import structlog

log = structlog.get_logger()
FIRST_REMINDER_S: Final = 60.0
LONGEST_REMINDER_S: Final = 3600.0
"""The first reminder comes after a minute, each one after twice as long, at last one an hour."""
REASONS_MAX: Final = 4
"""So many different reasons are logged at once in one outage; what counts beyond them waits for a reminder."""
SETTLING_S: Final = 10.0
"""What fails so soon after an outage belongs to its end, unless it lasts as long again; where it goes on like that, as
where reading works and writing does not, twice as long each time."""


class Outage:
    """The outages of one thing, such as a service's database; all tasks that need it share the one object."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._since_s: float | None = None
        self._ended_s = float("-inf")
        self._next_s = 0.0
        self._wait_s = 0.0
        self._settling_s = SETTLING_S
        self._failures = 0
        self._reasons: set[str] = set()

    @property
    def lasts(self) -> bool:
        """Whether the thing is away."""
        return self._since_s is not None

    def failed(self, event: str, *, reason: str, **facts: Any) -> None:
        """Note a failed attempt; it is logged as `event` where it begins the outage, has a new reason, or reminds."""
        now_s = self._monotonic()
        if self._since_s is None:
            self._since_s, self._failures, self._wait_s = now_s, 0, FIRST_REMINDER_S
            self._reasons = set()
            if now_s > self._ended_s + 2 * self._settling_s:
                self._settling_s = SETTLING_S
            self._next_s = max(now_s, self._ended_s + self._settling_s)
        self._failures += 1
        new = bool(self._reasons) and reason not in self._reasons and len(self._reasons) < REASONS_MAX
        if now_s < self._next_s and not new:
            return
        if now_s >= self._next_s:
            self._next_s, self._wait_s = now_s + self._wait_s, min(LONGEST_REMINDER_S, 2 * self._wait_s)
        if not self._reasons and now_s <= self._ended_s + 2 * self._settling_s:
            self._settling_s = min(LONGEST_REMINDER_S, 2 * self._settling_s)
        self._reasons.add(reason)
        if self._failures > 1:
            facts |= {"failures": self._failures, "away_s": round(now_s - self._since_s, 1)}
        log.warning(event, reason=reason, **facts)

    def over(self) -> dict[str, Any]:
        """It is there: for how long it was away and how often it failed; {} where nothing was logged."""
        if self._since_s is None:
            return {}
        now_s = self._monotonic()
        facts = {"away_s": round(now_s - self._since_s, 1), "failures": self._failures} if self._reasons else {}
        self._since_s = None
        if self._reasons:
            # one that was not logged must not silence the next
            self._ended_s = now_s
        return facts

    def back(self, event: str) -> None:
        """The same, logged as `event` where the outage was."""
        if self._since_s is not None and (facts := self.over()):
            log.info(event, **facts)
