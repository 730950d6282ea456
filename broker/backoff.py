"""Waiting between attempts: exponential, full jitter, a cap, reset after a stable period."""

import random
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Delays in seconds for one thing that is retried.

    Each `next_s()` is drawn evenly from 0 to a ceiling that doubles from `first_s` to `cap_s`; `succeeded()` marks a
    success, and once it has lasted `stable_s` the ceiling starts over.
    """

    first_s: float = 0.5
    cap_s: float = 30.0
    stable_s: float = 30.0
    attempts: int = 0
    _success_at: float | None = field(default=None)

    def next_s(self) -> float:
        """The delay before the next attempt."""
        if self._success_at is not None and time.monotonic() - self._success_at >= self.stable_s:
            self.attempts = 0
        self._success_at = None
        ceiling = min(self.cap_s, self.first_s * 2 ** min(self.attempts, 30))
        self.attempts += 1
        return random.uniform(0, ceiling)  # noqa: S311 - jitter needs no cryptography

    def succeeded(self) -> None:
        """Note a success; only if it lasts does the ceiling start over."""
        self._success_at = time.monotonic()
