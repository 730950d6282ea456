"""How much a source may send: posts and bytes a second. No clock, no I/O."""

import math
from typing import Final, Self

_ROUNDING: Final = 1e-9
AHEAD_S: Final = 60.0
"""What was counted so far in the future was counted before the host began anew."""


class Left:
    """What is left of a source's rate since `at_s`, here in one process alone; at first long ago.

    From `full_at_s` on it is as if nothing had ever been counted.
    """

    __slots__ = ("at_s", "bytes", "full_at_s", "posts")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Have all of it left, as nothing were counted."""
        self.at_s, self.posts, self.bytes, self.full_at_s = -math.inf, 0.0, 0.0, -math.inf

    def begin(self) -> Self:
        """Have it as it is now, for this one alone until `end`."""
        return self

    def end(self) -> None:
        """Keep it as it was changed."""


class Rate:
    """A bucket of posts and one of bytes, full at first; a post that alone is more than a burst takes all of it."""

    def __init__(
        self, posts_per_s: float, burst: float, bytes_per_s: float, burst_bytes: float, left: Left | None = None
    ) -> None:
        self._posts_per_s, self._bytes_per_s = posts_per_s, bytes_per_s
        # less than one post would never let one through
        self._full_posts, self._full_bytes = max(1.0, burst), burst_bytes
        self._left = Left() if left is None else left

    def wait_s(self, size: int, now_s: float) -> float:
        """0 where a post of so many bytes may pass now, else in how many seconds; nothing is taken."""
        return self._ask(size, now_s, take=False)

    def take(self, size: int, now_s: float) -> float:
        """The same, and count it where it may pass."""
        return self._ask(size, now_s, take=True)

    def _ask(self, size: int, now_s: float, *, take: bool) -> float:
        # done for each post: no call that can be spared
        left = self._left.begin()
        try:
            if left.at_s > now_s + AHEAD_S:
                left.at_s = -math.inf
            passed_s = now_s - left.at_s
            if passed_s >= 0:
                left.posts = min(self._full_posts, left.posts + self._posts_per_s * passed_s)
                left.bytes = min(self._full_bytes, left.bytes + self._bytes_per_s * passed_s)
                left.at_s = now_s
            lacking = 1.0 - left.posts
            lacking_bytes = min(size, self._full_bytes) - left.bytes
            if lacking > _ROUNDING or lacking_bytes > _ROUNDING:
                return max(lacking / self._posts_per_s, lacking_bytes / self._bytes_per_s)
            if take:
                left.posts -= 1.0
                left.bytes = max(0.0, left.bytes - size)
                left.full_at_s = now_s + max(
                    (self._full_posts - left.posts) / self._posts_per_s,
                    (self._full_bytes - left.bytes) / self._bytes_per_s,
                )
            return 0.0
        finally:
            left.end()
