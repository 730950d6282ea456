"""How often each caller may do something: a token bucket for each, in bounded memory."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

CALLERS: Final = 4096
"""Buckets kept at most. The one unused for longest goes first; it is the fullest, so that little is forgiven by it."""


class Buckets:
    """Lets each caller through `rate_per_s` times a second on average, and up to `burst` times at once."""

    def __init__(
        self, rate_per_s: float, burst: int, *, callers: int = CALLERS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._callers = callers
        self._clock = clock
        self._level: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str) -> int:
        """What take would answer, without taking."""
        level, at = self._level.get(caller, (float(self._burst), 0.0))
        level = min(self._burst, level + (self._clock() - at) * self._rate_per_s)
        return 0 if level >= 1 else max(1, math.ceil((1 - level) / self._rate_per_s))

    def take(self, caller: str) -> int:
        """0 where the caller may pass, else after how many seconds it may."""
        now = self._clock()
        level, at = self._level.pop(caller, (float(self._burst), now))
        level = min(self._burst, level + (now - at) * self._rate_per_s)
        allowed = level >= 1
        self._level[caller] = (level - 1 if allowed else level, now)
        while len(self._level) > self._callers:
            self._level.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - level) / self._rate_per_s))

    def give_back(self, caller: str) -> None:
        """What was taken was not used."""
        if caller in self._level:
            level, at = self._level[caller]
            self._level[caller] = (min(self._burst, level + 1), at)
