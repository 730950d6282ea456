"""Waiting between attempts: exponential, full jitter, a cap, and taken back bit by bit while all is well."""

import random
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Delays in seconds for one thing that is retried.

    Each `next_s()` is drawn evenly from 0 to a ceiling that doubles from `first_s` to `cap_s`. `succeeded()` marks a
    success, and each `forgive_s` that it lasts takes one doubling back: what fails again at once is tried ever more
    rarely, what works for some seconds in between is tried again soon.
    """

    first_s: float = 0.5
    cap_s: float = 30.0
    forgive_s: float = 1.0
    attempts: int = 0
    _success_at: float | None = field(default=None)

    def next_s(self) -> float:
        """The delay before the next attempt."""
        if self._success_at is not None:
            lasted_s = time.monotonic() - self._success_at
            self.attempts = max(0, self.attempts - int(lasted_s / self.forgive_s)) if self.forgive_s else 0
        self._success_at = None
        ceiling_s = self.first_s * 2**self.attempts
        if ceiling_s < self.cap_s:
            # beyond the cap nothing is counted, for each doubling more would have to be taken back
            self.attempts += 1
        return random.uniform(0, min(self.cap_s, ceiling_s))  # noqa: S311 - jitter needs no cryptography

    def succeeded(self) -> None:
        """Note a success; the longer it lasts, the lower is the next ceiling."""
        self._success_at = time.monotonic()

    def forgive_nothing(self) -> None:
        """Take the success back: it ended that means keep away."""
        self._success_at = None
