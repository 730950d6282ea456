"""What the broker has and the store has not: confirmed by receipts, sent again where it was lost on the way."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from broker.contract.messages import MAX_PAYLOAD_BYTES, Receipts
from device.metrics import DeviceMetrics
from device.outbox.outbox import Outbox
from device.outbox.record import Record
from device.outbox.resend_schedule import ResendSchedule

log = structlog.get_logger()

READ: Final = 64
CHECK_S: Final = 1.0
KEPT_S: Final = 3 * 86400.0
"""How long the agent, while it runs, keeps what the broker has where no receipt ever came."""


class Resending:
    """Takes receipts, and says what to send again. Until a receipt was ever heard, nothing is.

    A platform of before receipts sends none: what the broker has is kept for KEPT_S then, and is the first to go when
    the outbox is full. What an ingestor of today never got of it is sent again as soon as its first receipt comes.
    """

    def __init__(self, outbox: Outbox, metrics: DeviceMetrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._outbox = outbox
        self._metrics = metrics
        self._time = clock
        start_s = clock()
        self._unconfirmed = ResendSchedule(start_s)
        for first, end in outbox.unconfirmed_spans():
            self._unconfirmed.found(first, end, start_s)
        self._due: deque[Record] = deque()
        self._check_at_s = start_s

    def take(self, receipts: Receipts) -> list[tuple[int, int]]:
        """Be done with what a receipt plainly names; the indices that it named, as (first, end)."""
        now_s = self._time()
        self._metrics.receipts.inc()
        if not self._outbox.has_receipts:
            log.info("receipts_heard", unconfirmed=self._outbox.unconfirmed)
        before = self._outbox.counts.confirmed
        named: list[tuple[int, int]] = []
        for boot, ranges in receipts.boots.items():
            for first_seq, last_seq in (one.root for one in ranges):
                found = self._outbox.confirm(boot, first_seq, last_seq)
                named += found
                for first, end in found:
                    self._unconfirmed.confirmed(first, end, now_s)
                if sum(end - first for first, end in found) < last_seq - first_seq + 1:
                    # of a boot that is done with, of another device of this id, or beyond what was ever sent
                    self._metrics.receipts_unknown.inc()
        self._metrics.confirmed.inc(self._outbox.counts.confirmed - before)
        return named

    def sent(self, index: int, *, again: bool) -> int:
        """Note that a message is handed to the connection; how often that was done again by now."""
        self._unconfirmed.sent(index, self._time(), again=again)
        return self._unconfirmed.tries(index)

    def next(self, under_way: Callable[[int], bool]) -> Record | None:
        """The next message to send again, None where there is none now."""
        now_s = self._time()
        while self._due or now_s >= self._check_at_s:
            if not self._due:
                self._find_due(now_s)
            if not self._due:
                self._check_at_s = now_s + CHECK_S
                return None
            record = self._due.popleft()
            if under_way(record.index):
                # the broker is slow to acknowledge it: it would be found again and again
                self._check_at_s = now_s + CHECK_S
            elif self._outbox.is_unconfirmed(record.index):
                return record
        return None

    def upkeep(self) -> None:
        """Forget what the outbox has dropped, give up what is too old where no receipt ever came; call it often."""
        self._forget_done()
        if self._outbox.has_receipts:
            return
        for first, end in self._unconfirmed.older_than(KEPT_S, self._time()):
            lost = self._outbox.give_up_unconfirmed(first, end)
            self._unconfirmed.forget(first, end)
            log.info("unconfirmed_given_up", messages=lost, why="no receipt ever came")

    def oldest_s(self) -> float:
        """How long the oldest has been without a receipt, since the start at most; 0 where there is none."""
        return self._unconfirmed.oldest_s(self._time()) if self._outbox.unconfirmed else 0.0

    def _forget_done(self) -> None:
        """What was dropped for want of room, damaged or refused gets no receipt: it would be the oldest for ever."""
        for run in self._unconfirmed.runs:
            for first, end in self._outbox.done_within(run.first, run.end):
                self._unconfirmed.forget(first, end)

    def _find_due(self, now_s: float) -> None:
        if not self._outbox.has_receipts or not self._outbox.unconfirmed:
            return
        self._forget_done()
        room = min(READ, self._unconfirmed.room(now_s))
        for first, end in self._unconfirmed.lost(now_s):
            if len(self._due) >= room:
                break
            self._due.extend(self._outbox.read_unconfirmed(first, end, room - len(self._due)))
        self._metrics.resent.labels("evidence").inc(len(self._due))
        if not self._due and (most := self._unconfirmed.probe(now_s)):
            self._due.extend(self._outbox.read_unconfirmed(0, self._outbox.next_index, min(most, READ)))
            if self._due:
                self._unconfirmed.probed(self._due[0].index, self._due[-1].index + 1, now_s)
            self._metrics.resent.labels("probe").inc(len(self._due))


def with_tries(payload: bytes, tries: int) -> bytes:
    """A message that is sent again says how often; one that has no room for it goes as it is."""
    field = b',"resent":%d}' % max(1, tries)
    if not payload.endswith(b"}") or len(payload) + len(field) > MAX_PAYLOAD_BYTES:
        return payload
    return payload[:-1] + field
