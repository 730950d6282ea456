"""Which indices of the outbox are dealt with, as intervals: live messages are done ahead of an older backlog."""

import json
from bisect import bisect_left, bisect_right
from typing import Self

from broker.errors import ContractError


class Acks:
    """A set of indices that is small on disk: half-open intervals, sorted, none touching another."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, first: int, end: int) -> int:
        """Add `first` to `end` - 1; returns how many of them were new."""
        if first >= end:
            return 0
        low = bisect_left(self._ends, first)
        high = bisect_right(self._starts, end)
        known = sum(max(0, min(end, self._ends[n]) - max(first, self._starts[n])) for n in range(low, high))
        if low < high:
            start, stop = min(first, self._starts[low]), max(end, self._ends[high - 1])
        else:
            start, stop = first, end
        self._starts[low:high] = [start]
        self._ends[low:high] = [stop]
        return end - first - known

    def __contains__(self, index: int) -> bool:
        place = bisect_right(self._starts, index) - 1
        return place >= 0 and index < self._ends[place]

    @property
    def end(self) -> int:
        """One more than the highest index; 0 where there is none."""
        return self._ends[-1] if self._ends else 0

    def next_missing(self, index: int) -> int:
        """The smallest index from here on that is not in the set."""
        place = bisect_right(self._starts, index) - 1
        return self._ends[place] if place >= 0 and index < self._ends[place] else index

    def missing(self, first: int, end: int) -> int:
        """How many of `first` to `end` - 1 are not in the set."""
        low = bisect_right(self._ends, first)
        high = bisect_left(self._starts, end)
        there = sum(min(end, self._ends[n]) - max(first, self._starts[n]) for n in range(low, high))
        return max(0, end - first - there)

    def to_json(self) -> bytes:
        """The intervals as a JSON list of pairs."""
        return json.dumps(list(zip(self._starts, self._ends, strict=True))).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read what `to_json` wrote. Raises ContractError for anything else."""
        acks = cls()
        try:
            for first, end in json.loads(data):
                if not (isinstance(first, int) and isinstance(end, int) and 0 <= first < end < 2**63):
                    raise ContractError("no interval", field="acks")
                acks.add(first, end)
        except (ValueError, TypeError) as error:
            raise ContractError(str(error), field="acks") from error
        return acks
