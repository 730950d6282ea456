"""When a message that the broker has is taken for lost, and sent again. No clock, no I/O.

A receipt for what was sent well after a message shows that the store gets ours and has passed that one over. Without
such evidence (the ingestor is away) nothing is sent again in bulk: only the oldest now and then, to find out.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import uniform
from typing import Final

SLACK_S: Final = 10.0
"""How much later another message must have been sent, for its receipt to be evidence; twice as much with each try."""
SLACK_CAP_S: Final = 600.0
RIPE_S: Final = 6.0
"""How long evidence is held back: batches are committed side by side, an older one's receipt may follow."""
PROBE_S: Final = 60.0
"""How long no receipt confirms anything until the oldest is sent again; twice as long each time, up to the cap."""
PROBE_CAP_S: Final = 600.0
ANSWERED_S: Final = 15.0
"""... and so long after one that was answered: then twice as many are sent."""
PROBE_MOST: Final = 256
AGAIN_MOST: Final = 256
"""Messages sent again and not confirmed yet, at most: a store that is slow sets the pace by its receipts."""
ON_ITS_WAY_S: Final = 60.0
"""How long a message that was sent again counts among these."""
JITTER: Final = 1.5
TOGETHER_S: Final = 5.0
"""Neighbours sent within this time are one run."""
RUNS_MAX: Final = 256
"""More are joined, two by two, so that a day of unconfirmed messages costs no more memory than an hour."""


@dataclass(slots=True)
class Sent:
    """Messages of indices `first` to `end` - 1, as far as they are still unconfirmed.

    `began_s` is when the earliest of them was sent first, `sent_s` when the latest was sent last; `tries` how often
    they were sent again.
    """

    first: int
    end: int
    began_s: float
    sent_s: float
    tries: int = 0


class ResendSchedule:
    """What was sent, when, and how often, as runs of indices. All times are of one monotonic clock, in seconds.

    What an earlier run of the agent had sent counts as sent at `start_s`.
    """

    def __init__(self, start_s: float, draw: Callable[[float, float], float] = uniform) -> None:
        self._draw = draw
        self._runs: list[Sent] = []
        self._evidence_s = float("-inf")
        self._unripe: deque[tuple[float, float]] = deque()
        self._quiet_s = start_s
        self._jitter = draw(1.0, JITTER)
        self._probe_wait_s = PROBE_S
        self._probe_size = 1
        self._probed: tuple[int, int] | None = None

    @property
    def runs(self) -> tuple[Sent, ...]:
        """What is kept, in the order of the indices."""
        return tuple(self._runs)

    def found(self, first: int, end: int, start_s: float) -> None:
        """Messages that an earlier run of the agent had sent."""
        self._put(Sent(first, end, start_s, start_s))

    def sent(self, index: int, now_s: float, *, again: bool = False) -> None:
        """A message is handed to the connection; `again` where the broker had it before."""
        before = self._find(index)
        if before is None:
            self._put(Sent(index, index + 1, now_s, now_s))
            return
        tries = before.tries + again
        began_s = before.began_s
        self._cut(index, index + 1)
        self._put(Sent(index, index + 1, began_s, now_s, tries))

    def tries(self, index: int) -> int:
        """How often a message was sent again."""
        run = self._find(index)
        return run.tries if run is not None else 0

    def confirmed(self, first: int, end: int, now_s: float) -> None:
        """The store has these messages: evidence for what was sent before them.

        A message that was sent more than once counts by its first time: nobody knows which of them the receipt is for.
        """
        cut = self._cut(first, end)
        if not cut:
            return
        self._ripen(now_s)
        evidence_s = max(run.began_s for run in cut)
        if self._unripe and int(self._unripe[-1][0]) == int(now_s):
            evidence_s = max(evidence_s, self._unripe.pop()[1])
        self._unripe.append((now_s, evidence_s))
        self._quiet_s = now_s
        probed, self._probed = self._probed, None
        if probed is not None and any(run.first < probed[1] and probed[0] < run.end for run in cut):
            self._probe_size = min(PROBE_MOST, 2 * self._probe_size)
            self._probe_wait_s = ANSWERED_S
        elif probed is not None or self._probe_wait_s > PROBE_S:
            self._probe_wait_s = PROBE_S
        if not self._runs:
            self._probe_wait_s, self._probe_size = PROBE_S, 1

    def forget(self, first: int, end: int) -> None:
        """Nothing is to be sent again of these messages."""
        self._cut(first, end)

    def lost(self, now_s: float) -> list[tuple[int, int]]:
        """Intervals of what is to be sent again by evidence; `room` says how many messages of it at most."""
        self._ripen(now_s)
        found = []
        for run in self._runs:
            slack_s = min(SLACK_CAP_S, SLACK_S * 2.0 ** min(run.tries, 10)) * self._jitter
            if run.sent_s + slack_s <= self._evidence_s:
                found.append((run.first, run.end))
        return found

    def room(self, now_s: float) -> int:
        """How many more messages may be sent again, for those that were lately count until their receipt."""
        on_their_way = (run for run in self._runs if run.tries and now_s - run.sent_s < ON_ITS_WAY_S)
        return max(0, AGAIN_MOST - sum(run.end - run.first for run in on_their_way))

    def probe(self, now_s: float) -> int:
        """How many of the oldest to send again to find out whether the store gets them; 0 where it is not time."""
        if not self._runs:
            return 0
        since_s = max(self._quiet_s, self._runs[0].sent_s)
        return self._probe_size if now_s - since_s >= self._probe_wait_s * self._jitter else 0

    def probed(self, first: int, end: int, now_s: float) -> None:
        """Messages in this interval were sent as a probe."""
        if self._probed is not None:
            self._probe_size = 1
        self._probed = (first, end)
        self._quiet_s = now_s
        self._probe_wait_s = min(PROBE_CAP_S, max(PROBE_S, 2 * self._probe_wait_s))
        self._jitter = self._draw(1.0, JITTER)

    def older_than(self, age_s: float, now_s: float) -> list[tuple[int, int]]:
        """Intervals of what was sent so long ago."""
        return [(run.first, run.end) for run in self._runs if now_s - run.sent_s >= age_s]

    def oldest_s(self, now_s: float) -> float:
        """How long ago the oldest was sent first, as far as this run of the agent knows; 0 where there is none."""
        return max(0.0, now_s - min((run.began_s for run in self._runs), default=now_s))

    def _ripen(self, now_s: float) -> None:
        while self._unripe and now_s - self._unripe[0][0] >= RIPE_S:
            self._evidence_s = max(self._evidence_s, self._unripe.popleft()[1])

    def _find(self, index: int) -> Sent | None:
        place = bisect_right(self._runs, index, key=lambda run: run.first) - 1
        run = self._runs[place] if place >= 0 else None
        return run if run is not None and index < run.end else None

    def _put(self, new: Sent) -> None:
        """Enter messages that are in no run."""
        place = bisect_right(self._runs, new.first, key=lambda run: run.first)
        self._runs.insert(place, new)
        for left in (place, place - 1):
            if 0 <= left < len(self._runs) - 1 and _belong(self._runs[left], self._runs[left + 1]):
                self._runs[left : left + 2] = [_joined(self._runs[left], self._runs[left + 1])]
        if len(self._runs) > RUNS_MAX:
            pairs = zip(self._runs[::2], [*self._runs[1::2], None], strict=False)
            self._runs = [one if other is None else _joined(one, other) for one, other in pairs]

    def _cut(self, first: int, end: int) -> list[Sent]:
        """Take an interval out; the runs that lay in it, cut to it."""
        low = max(0, bisect_right(self._runs, first, key=lambda run: run.first) - 1)
        high = bisect_right(self._runs, end - 1, key=lambda run: run.first)
        cut: list[Sent] = []
        kept: list[Sent] = []
        for run in self._runs[low:high]:
            for start, stop, into in ((run.first, first, kept), (first, end, cut), (end, run.end, kept)):
                if max(start, run.first) < min(stop, run.end):
                    into.append(replace(run, first=max(start, run.first), end=min(stop, run.end)))
        self._runs[low:high] = kept
        return cut


def _belong(one: Sent, other: Sent) -> bool:
    began_s, sent_s = min(one.began_s, other.began_s), max(one.sent_s, other.sent_s)
    near = (
        max(one.began_s, other.began_s) - began_s <= TOGETHER_S and sent_s - min(one.sent_s, other.sent_s) <= TOGETHER_S
    )
    return one.end == other.first and one.tries == other.tries and near


def _joined(one: Sent, other: Sent) -> Sent:
    """Two as one, so that neither is taken for lost, or for evidence, sooner than it was."""
    tries = max(one.tries, other.tries)
    return Sent(one.first, other.end, min(one.began_s, other.began_s), max(one.sent_s, other.sent_s), tries)
