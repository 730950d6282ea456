"""Which meters are at one port: a swap is distinguished from meters that share the line. No I/O."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

SHARED_AFTER: Final = 2
"""Telegrams of a newcomer, with one of each meter that is there in between, that make a shared line."""
SWAPPED_AFTER: Final = 3
"""Telegrams of a newcomer, without one of the meter that was there, that make a swap..."""
SILENT_PERIODS: Final = 3
"""... once that meter has been silent for so many of its own periods."""
UNKNOWN_PERIOD_S: Final = 10.0
LONGEST_SILENCE_S: Final = 600.0
FORGOTTEN_AFTER_S: Final = 3600.0
"""A newcomer that was never heard again was noise in a telegram without a check."""
METERS_MAX: Final = 16
"""Meters of one port; whoever was silent the longest is forgotten beyond it."""


@dataclass(slots=True)
class _Tracked:
    since: datetime
    first_s: float
    last_s: float
    telegrams: int = 1
    period_s: float = 0.0

    def again(self, now_s: float) -> None:
        # the longest of late: a meter that pushes unevenly is not silent yet
        self.period_s = max(now_s - self.last_s, self.period_s * 0.7)
        self.last_s = now_s
        self.telegrams += 1

    def silent(self, now_s: float) -> bool:
        limit_s = SILENT_PERIODS * (self.period_s or UNKNOWN_PERIOD_S)
        return now_s - self.last_s >= min(limit_s, LONGEST_SILENCE_S)


@dataclass(frozen=True, slots=True)
class Change:
    """What a telegram decided: `new` is there now; in place of `old`, or beside the others where `old` is ''."""

    new: str
    old: str = ""


@dataclass(slots=True)
class SwapDetector:
    """The meters of one port by key.

    The first to be heard is there. Another one is a newcomer until it is clear what it is: it shares the line once
    all that are there have been heard in between, and it took the place of one that has fallen silent since. Until
    then nothing is decided about it, and its frames wait.
    """

    _present: dict[str, _Tracked] = field(default_factory=dict)
    _newcomers: dict[str, _Tracked] = field(default_factory=dict)

    @property
    def present(self) -> tuple[str, ...]:
        """The meters that are there, in the order in which they came."""
        return tuple(self._present)

    @property
    def alone(self) -> bool:
        """Whether the line carries one meter only, as far as anybody knows."""
        return len(self._present) + len(self._newcomers) <= 1

    def __contains__(self, key: str) -> bool:
        return key in self._present or key in self._newcomers

    def since(self, key: str) -> datetime | None:
        """When a meter was first heard there."""
        found = self._present.get(key) or self._newcomers.get(key)
        return found.since if found else None

    def observe(self, key: str, now_s: float, at: datetime) -> Change | None:
        """Take a telegram of a meter, heard at `at`; what it decided."""
        self._forget(now_s)
        known = self._present.get(key) or self._newcomers.get(key)
        if known is None:
            known = _Tracked(at, now_s, now_s)
            (self._newcomers if self._present else self._present)[key] = known
            self._bound()
        else:
            known.again(now_s)
        for newcomer in sorted(self._newcomers, key=lambda one: self._newcomers[one].first_s):
            change = self._decide(newcomer, now_s)
            if change is not None:
                return change
        return None

    def _decide(self, newcomer: str, now_s: float) -> Change | None:
        new = self._newcomers[newcomer]
        absent = [key for key, one in self._present.items() if one.last_s < new.first_s]
        if not absent:
            return self._admit(newcomer) if new.telegrams >= SHARED_AFTER else None
        longest = min(absent, key=lambda key: self._present[key].last_s)
        if new.telegrams >= SWAPPED_AFTER and self._present[longest].silent(now_s):
            return self._admit(newcomer, longest)
        return None

    def _admit(self, newcomer: str, old: str = "") -> Change:
        self._present.pop(old, None)
        self._present[newcomer] = self._newcomers.pop(newcomer)
        return Change(newcomer, old)

    def _forget(self, now_s: float) -> None:
        for key in [key for key, one in self._newcomers.items() if now_s - one.last_s > FORGOTTEN_AFTER_S]:
            del self._newcomers[key]

    def _bound(self) -> None:
        for meters in (self._newcomers, self._present):
            if len(meters) > METERS_MAX:
                del meters[min(meters, key=lambda key: meters[key].last_s)]
