"""What devices tell the gateway, in turns: who tells more than its share is heard again when it has waited."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from broker.contract.topics import Topics
from broker.mqtt.publication import Inbound
from broker.shares import Share, Shares
from store.quota_tally import Tally
from store.quotas import Quota, QuotaLimits

BURST_S: Final = 60.0
"""A minute's worth may come at once."""
REPLIES: Final = 10
MOST_WAITING: Final = 1000
MOST_WAITING_BYTES: Final = 16 * 2**20


class RateLimiter:
    """Lets each device's messages through within its share; of the rest the newest on a topic waits, the others go.

    Only on topics of which the newest message says all, such as registrations and reports; on others (`last_counts`
    false), such as replies, ten times as many pass, and what is over goes. Beyond MOST_WAITING of all devices together
    nothing more waits. Who asks acknowledges, and keeps what waits before that (`waits`). No I/O; times are of one
    monotonic clock.
    """

    def __init__(self, limits: QuotaLimits, topics: Topics, tally: Tally) -> None:
        per_s, bytes_per_s = limits.control_per_min / 60, limits.kib_per_s * 1024
        self._shares = Shares(Share(per_s, bytes_per_s, BURST_S))
        self._others = Shares(Share(REPLIES * per_s, bytes_per_s, BURST_S))
        self._topics = topics
        self._tally = tally
        self._waiting: OrderedDict[str, Inbound] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def waits(self, topic: str) -> bool:
        """Whether a message of this topic waits."""
        return topic in self._waiting

    def restore(self, message: Inbound) -> None:
        """Have a message wait that did so before a restart."""
        self._wait(message)

    def admits(self, message: Inbound, now_s: float, *, last_counts: bool) -> bool:
        """Whether to deal with a message now; else it waits, or is gone."""
        size = len(message.payload)
        sender = self._topics.sender(message.topic)
        before = self._take(message.topic) if last_counts else None
        shares = self._shares if last_counts else self._others
        if shares.over(sender, size, now_s, scarce=True) is None:
            if before is not None:
                self._cut(sender, before)
            return True
        if before is not None:
            self._cut(sender, before)
        if last_counts and len(self._waiting) < MOST_WAITING and self._bytes + size <= MOST_WAITING_BYTES:
            self._wait(message)
        else:
            self._cut(sender, message)
        return False

    def due_in_s(self, now_s: float) -> float | None:
        """How long until one that waits may be dealt with, None where none waits."""
        return min((self._ready_in_s(message, now_s) for message in self._waiting.values()), default=None)

    def due(self, now_s: float) -> Iterator[Inbound]:
        """Those that waited and may be dealt with now."""
        for topic, message in list(self._waiting.items()):
            if self._ready_in_s(message, now_s) > 0:
                continue
            sender = self._topics.sender(topic)
            if self._shares.over(sender, len(message.payload), now_s, scarce=True) is None:
                self._take(topic)
                yield message

    def _ready_in_s(self, message: Inbound, now_s: float) -> float:
        return self._shares.ready_in_s(self._topics.sender(message.topic), len(message.payload), now_s)

    def _wait(self, message: Inbound) -> None:
        # of QoS 0 nothing is acknowledged once more
        self._waiting[message.topic] = replace(message, qos=0)
        self._bytes += len(message.payload)

    def _take(self, topic: str) -> Inbound | None:
        message = self._waiting.pop(topic, None)
        if message is not None:
            self._bytes -= len(message.payload)
        return message

    def _cut(self, sender: str, message: Inbound) -> None:
        self._tally.note(sender, Quota.CONTROL, cut=1, size=len(message.payload))
