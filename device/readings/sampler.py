"""Which samples of a meter are kept: one for each interval, no repeats. No I/O."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import floor
from typing import Final

EARLY: Final = 0.1
"""A telegram that comes this share of an interval early counts for the next one: pushes jitter."""
REMEMBERED: Final = 1024
"""Stamps of repeated values that are kept of each meter; beyond it an old one might be published twice."""
REMEMBERED_IN_ALL: Final = 16_384
"""Of all meters at a port: about 4 MiB. Those of the meter with the most are forgotten first."""


@dataclass(frozen=True, slots=True)
class _Taken:
    second: float
    slot: int
    interval_s: float

    def slot_by(self, interval_s: float) -> int:
        return self.slot if interval_s == self.interval_s else floor(self.second / interval_s)


class IntervalSampler:
    """Takes at most one sample of each key in each interval of the wall clock: the first one in it."""

    def __init__(self) -> None:
        self._taken: dict[str, _Taken] = {}
        self._seen: dict[str, float] = {}

    def take(self, key: str, at: datetime, interval_s: float) -> bool:
        """Whether this sample is the one of its interval."""
        second = at.timestamp()
        slot = floor(second / interval_s)
        known = self._taken.get(key)
        since_seen_s = second - self._seen.get(key, second)
        self._seen[key] = second
        if known is not None and slot == known.slot_by(interval_s):
            # a meter that pushes about once an interval jitters over its ends: an early push counts for the next one
            if since_seen_s < interval_s / 2 or second - known.second < interval_s * (1 - EARLY):
                return False
            slot += 1
        elif known is not None and abs(second - known.second) < interval_s * EARLY:
            return False
        self._taken[key] = _Taken(second, slot, interval_s)
        return True


class RepeatFilter:
    """Drops values that telegrams repeat with the same stamp of their own, as gas readings and peak values are.

    Remembers REMEMBERED stamps of each meter and REMEMBERED_IN_ALL, the least recently seen of a meter forgotten first.
    """

    def __init__(self) -> None:
        self._seen: dict[str, OrderedDict[tuple[datetime, int], None]] = {}
        self._marks = 0

    def is_new(self, key: str, at: datetime, values: Mapping[str, Decimal]) -> bool:
        """Whether these values of this stamp of a meter were not seen before."""
        seen = self._seen.setdefault(key, OrderedDict())
        mark = (at, hash(tuple(sorted(values.items()))))
        if mark in seen:
            seen.move_to_end(mark)
            return False
        seen[mark] = None
        self._marks += 1
        if len(seen) > REMEMBERED:
            self._forget(key)
        elif self._marks > REMEMBERED_IN_ALL:
            self._forget(max(self._seen, key=lambda one: len(self._seen[one])))
        return True

    def _forget(self, key: str) -> None:
        self._seen[key].popitem(last=False)
        self._marks -= 1
        if not self._seen[key]:
            del self._seen[key]
