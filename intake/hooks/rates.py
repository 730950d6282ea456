"""How much a source may send: posts and bytes a second, in one process. No clock, no I/O."""

import math
from typing import Final

_ROUNDING: Final = 1e-9


class Rate:
    """A bucket of posts and one of bytes, full at first; a post that alone is more than a burst takes all of it."""

    def __init__(self, posts_per_s: float, burst: float, bytes_per_s: float, burst_bytes: float) -> None:
        self._posts_per_s, self._bytes_per_s = posts_per_s, bytes_per_s
        # less than one post would never let one through
        self._full_posts, self._full_bytes = max(1.0, burst), burst_bytes
        self._posts, self._bytes = self._full_posts, self._full_bytes
        self._at_s = -math.inf

    def wait_s(self, size: int, now_s: float) -> float:
        """0 where a post of so many bytes may pass now, else in how many seconds; nothing is taken."""
        # done for each post: no call that can be spared
        passed_s = now_s - self._at_s
        if passed_s > 0:
            self._posts = min(self._full_posts, self._posts + self._posts_per_s * passed_s)
            self._bytes = min(self._full_bytes, self._bytes + self._bytes_per_s * passed_s)
            self._at_s = now_s
        lacking = 1.0 - self._posts
        lacking_bytes = min(size, self._full_bytes) - self._bytes
        if lacking <= _ROUNDING and lacking_bytes <= _ROUNDING:
            return 0.0
        return max(lacking / self._posts_per_s, lacking_bytes / self._bytes_per_s)

    def take(self, size: int, now_s: float) -> float:
        """The same, and count it where it may pass."""
        wait_s = self.wait_s(size, now_s)
        if not wait_s:
            self._posts -= 1.0
            self._bytes = max(0.0, self._bytes - size)
        return wait_s
