"""Which messages are taken at all: while others wait, of each device no more than its share."""

import time
from typing import Final

import structlog

from broker.contract.topics import Kind, Topics
from broker.errors import ContractError
from broker.shares import Over, Queue, Share, Shares
from ingestor.metrics import Metrics
from store.quota_tally import Tally
from store.quotas import Quota, QuotaLimits

log = structlog.get_logger()

PATIENCE_S: Final = 2.0
"""The broker has had more for us for so long: others wait."""
OTHERS_S: Final = 60.0
"""So long after two devices took turns there are others who may be waiting; one that is alone hurts nobody."""
STATUS_BURST_S: Final = 60.0
_CACHED_TOPICS: Final = 100_000


class Admission:
    """Judges each message by its topic and size, before anything is read of it.

    The broker gives us all in one line, so nobody gets past a flood but by letting it go quickly: what is over a
    device's share is acknowledged, gets no receipt, and is sent again by an agent that means it. While the line is
    empty now and then, or one device's alone, everybody passes, and so does what gathered while we were away, as far
    as a device's share of that time goes. A status has a share of its own, as registrations have at the gateway: that a
    device is gone is told whatever it has sent.
    """

    def __init__(self, limits: QuotaLimits, topics: Topics, tally: Tally, metrics: Metrics) -> None:
        share = Share(limits.messages_per_s, limits.kib_per_s * 1024, limits.burst_s)
        self._shares = Shares(share)
        self._states = Shares(Share(limits.control_per_min / 60, share.bytes_per_s, STATUS_BURST_S))
        self._queue = Queue(PATIENCE_S, time.monotonic())
        self._topics = topics
        self._tally = tally
        self._metrics = metrics
        self._senders: dict[str, tuple[str, bool]] = {}
        self._now_s = self._behind_s = 0.0
        self._scarce = False
        self._last = ""
        self._others_s = float("-inf")

    def was_away(self, for_s: float) -> None:
        """Nobody has stored anything for so long: the broker has kept it."""
        self._queue.had_been_empty(for_s, time.monotonic())

    @property
    def behind_s(self) -> float:
        """For how long there has been more than was taken, or nobody there to take it."""
        return self._queue.behind_s(time.monotonic())

    def look(self, *, empty: bool) -> None:
        """Before messages that were just taken are judged: whether no more wait behind them, as far as we see."""
        self._now_s = time.monotonic()
        self._behind_s = self._queue.look(self._now_s, empty=empty)
        self._scarce = self._queue.scarce(self._behind_s) and self._now_s - self._others_s < OTHERS_S
        self._metrics.behind_s.set(self._behind_s)

    def admits(self, topic: str, size: int) -> bool:
        """Whether to take a message; what is not taken is counted."""
        found = self._senders.get(topic)
        if found is None:
            found = self._find(topic)
        sender, is_state = found
        if sender != self._last:
            if sender and self._last:
                self._others_s = self._now_s
            self._last = sender
        shares = self._states if is_state else self._shares
        over = shares.over(sender, size, self._now_s, scarce=self._scarce, behind_s=self._behind_s)
        if over is None:
            return True
        quota = Quota.CONTROL if is_state else Quota.BYTES if over is Over.BYTES else Quota.MESSAGES
        self._tally.note(sender, quota, cut=1, size=size)
        return False

    def _find(self, topic: str) -> tuple[str, bool]:
        if len(self._senders) >= _CACHED_TOPICS:
            self._senders.clear()
        try:
            is_state = self._topics.parse(topic).kind is Kind.STATUS
        except ContractError:
            is_state = False
        found = self._senders[topic] = self._topics.sender(topic), is_state
        return found
