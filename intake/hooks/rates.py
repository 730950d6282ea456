"""How much a source may send: posts and bytes a second, in one process. No clock, no I/O."""

import math
from typing import Final

_ROUNDING: Final = 1e-9


class Rate:
    """A bucket of posts and one of bytes, full at first; a post that alone is more than a burst takes all of it."""

    def __init__(self, posts_per_s: float, burst: float, bytes_per_s: float, burst_bytes: float) -> None:
        self._rates = posts_per_s, bytes_per_s
        # less than one post would never let one through
        self._full = max(1.0, burst), burst_bytes
        self._left = self._full
        self._at_s = -math.inf

    def wait_s(self, size: int, now_s: float) -> float:
        """0 where a post of so many bytes may pass now, else in how many seconds; nothing is taken."""
        if now_s > self._at_s:
            passed_s = now_s - self._at_s
            posts, sizes = (
                min(full, left + rate * passed_s)
                for full, left, rate in zip(self._full, self._left, self._rates, strict=True)
            )
            self._left, self._at_s = (posts, sizes), now_s
        wanted = 1.0, min(float(size), self._full[1])
        return max(
            0.0,
            *(
                (need - left) / rate
                for need, left, rate in zip(wanted, self._left, self._rates, strict=True)
                if need > left + _ROUNDING
            ),
            0.0,
        )

    def take(self, size: int, now_s: float) -> float:
        """The same, and count it where it may pass."""
        wait_s = self.wait_s(size, now_s)
        if not wait_s:
            posts, sizes = self._left
            self._left = posts - 1.0, max(0.0, sizes - size)
        return wait_s
