"""Which samples of a meter are kept: one for each interval, no repeats, only the wanted OBIS codes. No I/O."""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from math import floor
from typing import Final

EARLY: Final = 0.1
"""A telegram that comes this share of an interval early counts for the next one: pushes jitter."""
REMEMBERED: Final = 1024
"""Stamps of repeated values that are kept for each agent; beyond it an old one might be published twice."""
PATTERN: Final = re.compile(r"[0-9*:.&-]{1,64}")


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

    Remembers REMEMBERED stamps, the least recently seen forgotten first.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, datetime, int], None] = OrderedDict()

    def is_new(self, key: str, at: datetime, values: Mapping[str, Decimal]) -> bool:
        """Whether these values of this stamp were not seen before."""
        mark = (key, at, hash(tuple(sorted(values.items()))))
        if mark in self._seen:
            self._seen.move_to_end(mark)
            return False
        self._seen[mark] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True


class ObisFilter:
    """Wanted OBIS codes by patterns, in which `*` stands for any run of characters."""

    def __init__(self, include: Iterable[str], exclude: Iterable[str]) -> None:
        self._include = tuple(include)
        self._exclude = tuple(exclude)
        self._all = "*" in self._include and not self._exclude

    def select(self, values: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """The wanted values."""
        if self._all:
            return dict(values)
        return {code: value for code, value in values.items() if self.wants(code)}

    def wants(self, code: str) -> bool:
        """Whether one code is included and not excluded."""
        return any(matches(p, code) for p in self._include) and not any(matches(p, code) for p in self._exclude)


@lru_cache(maxsize=4096)
def matches(pattern: str, code: str) -> bool:
    """Whether a code fits a pattern; time grows with their lengths' product at most."""
    parts = pattern.split("*")
    if len(parts) == 1:
        return pattern == code
    if not code.startswith(parts[0]) or len(code) < len(parts[0]) + len(parts[-1]) or not code.endswith(parts[-1]):
        return False
    place, end = len(parts[0]), len(code) - len(parts[-1])
    for part in parts[1:-1]:
        place = code.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return True
