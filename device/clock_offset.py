"""What the platform's receipts tell of the time: bounds by the round trip, and when a device's clock is off. No I/O.

Times are seconds: of the device's monotonic clock, of a wall clock since 1970, or between the two.
"""

from dataclasses import dataclass
from typing import Final

OFF_S: Final = 30.0
"""A wall clock that is proven to be further off than this is not followed."""
GOOD_AGAIN_S: Final = 15.0
"""One that was off is followed again once it may be as near as this."""
DRIFT: Final = 200e-6
"""By how much two clocks may part in the meantime, as a share of it: a Pi's crystal and the platform's."""
CLOSE_S: Final = 60.0
"""Bounds as close as this tell the time well enough to judge a meter's clock by it."""


@dataclass(frozen=True, slots=True)
class Span:
    """Between two bounds, both of them possible."""

    low_s: float
    high_s: float

    @property
    def middle_s(self) -> float:
        """Half-way between."""
        return (self.low_s + self.high_s) / 2

    @property
    def width_s(self) -> float:
        """How much is open."""
        return self.high_s - self.low_s

    @property
    def least_s(self) -> float:
        """What lies between that is nearest to nought: so much is proven."""
        return max(self.low_s, min(self.high_s, 0.0))

    def wider(self, by_s: float) -> "Span":
        """With both bounds further apart."""
        return Span(self.low_s - by_s, self.high_s + by_s)

    def narrowed(self, other: "Span") -> "Span | None":
        """What both leave open; None where they contradict each other."""
        low_s, high_s = max(self.low_s, other.low_s), min(self.high_s, other.high_s)
        return Span(low_s, high_s) if low_s <= high_s else None


@dataclass(slots=True)
class PlatformClock:
    """How far the platform's clock is ahead of the device's monotonic one.

    A receipt that says `at` was made after the message that it names was given to be sent, and before it arrived: so
    the error is bounded by the round trip, however slow that is, and each further receipt can only narrow it. One that
    contradicts the earlier ones counts alone: the platform's clock was put right, or the device slept.
    """

    _ahead: Span | None = None
    _as_of_s: float = 0.0

    def learn(self, at_s: float, sent_s: float, arrived_s: float) -> None:
        """Take a receipt's time, and by the monotonic clock when its newest message was sent and when it arrived."""
        if arrived_s < sent_s:
            return
        span = Span(at_s - arrived_s, at_s - sent_s)
        known = self.ahead(arrived_s)
        self._ahead = span if known is None else known.narrowed(span) or span
        self._as_of_s = arrived_s

    def ahead(self, now_s: float) -> Span | None:
        """The platform's clock less the monotonic one, now; None before the first receipt."""
        if self._ahead is None:
            return None
        return self._ahead.wider(DRIFT * max(0.0, now_s - self._as_of_s))


@dataclass(slots=True)
class Followed:
    """Which clock gives the time: the wall clock, or the platform's where the wall clock is proven to be far off.

    The platform's is followed at one difference to the monotonic clock, so that times don't jitter with each receipt.
    """

    off: bool = False
    _ahead_s: float = 0.0

    def now(self, wall_s: float, now_s: float, ahead: Span | None) -> float:
        """The time since 1970, by the wall clock, the monotonic clock and what the platform is ahead of that."""
        if ahead is None:
            return wall_s
        apart_s = wall_s - now_s
        least_s = abs(Span(apart_s - ahead.high_s, apart_s - ahead.low_s).least_s)
        self.off = least_s > (GOOD_AGAIN_S if self.off else OFF_S)
        if not self.off:
            return wall_s
        if not ahead.low_s <= self._ahead_s <= ahead.high_s:
            self._ahead_s = ahead.middle_s
        return now_s + self._ahead_s
