"""How fast a backlog goes out: no faster than the store takes it, for live messages of all devices queue behind it."""

from typing import Final

FIRST: Final = 5.0
LEAST: Final = 0.5
MOST: Final = 200.0
"""Messages a second."""
QUEUE_S: Final = 0.5
"""How long a message may take to its commit before the backlog goes more slowly."""
BURST_S: Final = 2.0
"""So much of the rate goes out at once at first: a short outage leaves no more."""
LATE_S: Final = 0.1
"""What is due may gather so long: a timer is not exact."""
_SHRINK: Final = 0.6
_GROW: Final = 1.25


class Pace:
    """A rate of messages, as high as keeps the way to the store short.

    A broker takes whatever it is given, and queues it: a fleet that comes back after an outage would have every live
    message wait behind hours of readings. As the messages go out evenly, the newest that a receipt names was committed
    just before it, and its age is the length of that queue. While it is short the rate grows by a quarter, where it is
    not it shrinks by two fifths, either once a round: a message must have gone out at the new rate and come back.
    Without receipts the rate stays as it is. Times are of one monotonic clock, in seconds.
    """

    def __init__(self, now_s: float) -> None:
        self.rate = FIRST
        self._due_s = now_s - BURST_S
        self._burst_until_s = now_s
        self._round_from_s = now_s

    def wait_s(self, now_s: float) -> float:
        """How long until the next message may go out; 0 for at once."""
        return max(0.0, self._due_s - now_s)

    def sent(self, now_s: float) -> None:
        """One went out."""
        if self._due_s >= self._burst_until_s:
            self._due_s = max(self._due_s, now_s - LATE_S)
        self._due_s += 1 / self.rate

    def confirmed(self, newest_sent_s: float, now_s: float) -> None:
        """A receipt named some of them, of which the newest went out then."""
        if newest_sent_s < self._round_from_s:
            return
        self._round_from_s = now_s
        if now_s - newest_sent_s > QUEUE_S + 1 / self.rate:
            self.rate = max(LEAST, self.rate * _SHRINK)
        else:
            self.rate = min(MOST, self.rate * _GROW)
        self._due_s = min(self._due_s, now_s + 1 / self.rate)
