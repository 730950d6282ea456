"""How many bad frames are worth sending: the first few of each minute, others counted and reported later. No I/O."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

WINDOW_S: Final = 60.0


@dataclass(slots=True)
class Suppression:
    """Lets the first `limit` of each minute and reason pass for one port; counts the others until they are reported.

    Noise on the line so never hides the first frames that fail in another way.
    """

    limit: int
    monotonic: Callable[[], float]
    _began_s: float = float("-inf")
    _passed: Counter[str] = field(default_factory=Counter)
    _counted: Counter[str] = field(default_factory=Counter)

    def admit(self, reason: str) -> bool:
        """Whether to send this one; else it is counted."""
        now_s = self.monotonic()
        if now_s - self._began_s >= WINDOW_S:
            self._began_s, self._passed = now_s, Counter()
        if self._passed[reason] < self.limit:
            self._passed[reason] += 1
            return True
        self._counted[reason] += 1
        return False

    def take_counted(self) -> dict[str, int]:
        """What was suppressed since the last call, by reason; whoever calls reports it."""
        counted, self._counted = dict(self._counted), Counter()
        return counted

    @property
    def overdue(self) -> bool:
        """Whether suppressed frames wait to be reported though their minute is over."""
        return bool(self._counted) and self.monotonic() - self._began_s >= WINDOW_S
