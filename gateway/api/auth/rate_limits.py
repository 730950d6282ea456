"""How often one caller may ask and guess."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from broker.buckets import CALLERS, Buckets
from gateway.principals import LOCAL, Principal

FAILED_PER_S: Final = 1.0
FAILED_BURST: Final = 20
"""Wrong tokens from one address."""
GUESSED_PER_S: Final = 1 / 60
"""Wrong passwords of one user, from wherever, beyond the first FAILED_BURST."""
AUDITED_PER_S: Final = 1 / 60
"""Lines of the audit on one caller's excess: the flood itself must not become one of the audit."""


@dataclass(frozen=True, slots=True)
class Excess:
    """More than somebody may; `by` is what is counted (`token`, `address` or `user`), the word of the metric."""

    by: str
    caller: str
    detail: str
    wait_s: int


class RateLimits:
    """How often who shows a valid token may ask, and who shows none may guess. A place is an address, or its network.

    Each answers with the excess where it is one. Who asks a gateway without a token is counted by place.
    """

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._requests = Buckets(rate_per_s, burst)
        self._failed = Buckets(FAILED_PER_S, FAILED_BURST)
        self._guessed = Buckets(GUESSED_PER_S, FAILED_BURST)
        self._audited = Buckets(AUDITED_PER_S, 1)
        self._places: OrderedDict[tuple[str, str], None] = OrderedDict()

    def count(self, place: str, who: Principal | None) -> Excess | None:
        """Count a request of somebody, or a wrong guess of a place that shows nothing valid."""
        named = who if who != LOCAL else None
        caller = named.caller if named else place
        wait_s = (self._requests if who else self._failed).take(caller)
        detail = f"too many requests from {named.name if named else caller}"
        return Excess("token" if who else "address", caller, detail, wait_s) if wait_s else None

    def check_guess(self, place: str) -> Excess | None:
        """Whether a place has guessed wrong too often to be judged again."""
        wait_s = self._failed.wait(place)
        return Excess("address", place, f"too many wrong tokens from {place}", wait_s) if wait_s else None

    def take_guess(self, place: str, user: str) -> Excess | None:
        """Count a guess before it is judged, so that many at once are no more than one after the other.

        It counts against the place, and against the user where one is named, whether there is such a user or not; but
        not from where that user has logged in before. So nobody guesses from many places, and none locks a user out of
        the place where they work.
        """
        if wait_s := self._failed.take(place):
            return Excess("address", place, f"too many wrong tokens from {place}", wait_s)
        if not user or (user, place) in self._places or not (wait_s := self._guessed.take(user)):
            return None
        self._failed.give_back(place)
        return Excess("user", f"user {user}", f"too many wrong passwords of {user[:64]!r}", wait_s)

    def give_guess_back(self, place: str, user: str) -> None:
        """It was right, or could not be judged."""
        self._failed.give_back(place)
        if user and (user, place) not in self._places:
            self._guessed.give_back(user)

    def note_login(self, place: str, user: str) -> None:
        """Note from where a user has logged in."""
        self._places[user, place] = None
        while len(self._places) > CALLERS:
            self._places.popitem(last=False)

    def is_audited(self, excess: Excess) -> bool:
        """Whether this excess is one that the audit has a line for."""
        return not self._audited.take(excess.caller)
