"""How much each sender may send while others wait: token buckets by name, in bounded memory. No clock, no I/O."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MOST_SENDERS: Final = 100_000
"""Buckets kept at most; when there are more, those that are full again are forgotten, and nothing is lost by it."""
_ROUNDING_S: Final = 1e-9
_LENIENT_FROM: Final = 0.5
"""A sender that went over its share keeps to it until its bucket is so full again."""


class Over(StrEnum):
    """What a sender has used up."""

    MESSAGES = "messages"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Share:
    """What one sender may send a second on average, and for how many seconds' worth at once."""

    messages_per_s: float
    bytes_per_s: float
    burst_s: float


class _Bucket:
    """What a sender has left, in seconds of its share, and whether it has gone over it."""

    __slots__ = ("at_s", "bytes_s", "messages_s", "over")

    def __init__(self, level_s: float, at_s: float) -> None:
        self.messages_s = self.bytes_s = level_s
        self.at_s = at_s
        self.over = False


class Shares:
    """Lets senders through as fast as they like while nobody waits, and each within its share while somebody does.

    While `scarce` is false everybody passes, and empties his bucket by it. Once it is true, whoever has nothing left is
    told so, and goes on to be until his bucket is half full: a flood that is held back leaves nobody waiting, and would
    be let in again at once. `behind_s` is for how long the receiver has not had all that there was: what gathered
    meanwhile is everybody's due, so each may bring so much more. Times are of one monotonic clock, in seconds.
    """

    def __init__(self, share: Share, most: int = MOST_SENDERS) -> None:
        self._share = share
        self._most = most
        self._a_message_s = 1 / share.messages_per_s
        self._a_byte_s = 1 / share.bytes_per_s
        self._buckets: dict[str, _Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def over(self, sender: str, size: int, now_s: float, *, scarce: bool, behind_s: float = 0.0) -> Over | None:
        """Count a message of so many bytes; what the sender has used up where it may not pass, and it is not counted.

        One that alone is more than a whole share passes when the bucket is full.
        """
        bucket = self._buckets.get(sender)
        full_s = self._share.burst_s + behind_s
        if bucket is None:
            bucket = self._new(sender, full_s, now_s)
        elif now_s != bucket.at_s:
            passed_s, bucket.at_s = now_s - bucket.at_s, now_s
            bucket.messages_s = min(full_s, bucket.messages_s + passed_s)
            bucket.bytes_s = min(full_s, bucket.bytes_s + passed_s)
            if bucket.over and min(bucket.messages_s, bucket.bytes_s) >= _LENIENT_FROM * self._share.burst_s:
                bucket.over = False
        bytes_s = size * self._a_byte_s
        if scarce or bucket.over:
            if bucket.messages_s < self._a_message_s - _ROUNDING_S:
                bucket.over = True
                return Over.MESSAGES
            if bucket.bytes_s < min(bytes_s, self._share.burst_s):
                bucket.over = True
                return Over.BYTES
        # done for each message of the fleet: no call that can be spared
        left_s = bucket.messages_s - self._a_message_s
        bucket.messages_s = left_s if left_s > 0 else 0.0
        left_s = bucket.bytes_s - bytes_s
        bucket.bytes_s = left_s if left_s > 0 else 0.0
        return None

    def ready_in_s(self, sender: str, size: int, now_s: float) -> float:
        """How long until a message of this size may pass, were none to come in between."""
        bucket = self._buckets.get(sender)
        if bucket is None:
            return 0.0
        wanted_s = min(size * self._a_byte_s, self._share.burst_s)
        lacking_s = max(self._a_message_s - bucket.messages_s, wanted_s - bucket.bytes_s)
        return max(0.0, lacking_s - (now_s - bucket.at_s))

    def _new(self, sender: str, level_s: float, now_s: float) -> _Bucket:
        if len(self._buckets) >= self._most:
            self._forget(now_s)
        bucket = self._buckets[sender] = _Bucket(level_s, now_s)
        return bucket

    def _forget(self, now_s: float) -> None:
        """Make room for half as many as there may be: of those that are not full the longest silent go, too."""
        newest = sorted(self._buckets.items(), key=lambda item: item[1].at_s)[len(self._buckets) // 2 :]
        since_s = now_s - self._share.burst_s
        self._buckets = {sender: bucket for sender, bucket in newest if bucket.at_s > since_s}


class Queue:
    """Whether messages wait for their receiver, as it sees itself: for how long it has not had all that there was."""

    def __init__(self, patience_s: float, now_s: float) -> None:
        self._patience_s = patience_s
        self._empty_s = now_s

    def had_been_empty(self, ago_s: float, now_s: float) -> None:
        """Whoever was the receiver before had all that there was so long ago."""
        self._empty_s = min(self._empty_s, now_s - ago_s)

    def look(self, now_s: float, *, empty: bool) -> float:
        """For how long it has not been empty; 0 where it is."""
        if empty:
            self._empty_s = now_s
        return self.behind_s(now_s)

    def behind_s(self, now_s: float) -> float:
        """For how long it has not been empty, as of the last look."""
        return now_s - self._empty_s

    def scarce(self, behind_s: float) -> bool:
        """Whether that is so long that others wait."""
        return behind_s > self._patience_s
