"""A set of indices of the outbox that is small where they follow one another. No I/O."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Self

from broker.errors import ContractError


class IndexSet:
    """Half-open intervals, sorted, none touching another."""

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

    def remove(self, first: int, end: int) -> int:
        """Take `first` to `end` - 1 out; returns how many of them were there."""
        if first >= end:
            return 0
        low = bisect_right(self._ends, first)
        high = bisect_left(self._starts, end)
        if low >= high:
            return 0
        there = sum(min(end, self._ends[n]) - max(first, self._starts[n]) for n in range(low, high))
        kept = [(self._starts[low], first), (end, self._ends[high - 1])]
        kept = [(start, stop) for start, stop in kept if start < stop]
        self._starts[low:high] = [start for start, _ in kept]
        self._ends[low:high] = [stop for _, stop in kept]
        return there

    def __contains__(self, index: int) -> bool:
        place = bisect_right(self._starts, index) - 1
        return place >= 0 and index < self._ends[place]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The intervals in their order."""
        return iter(list(zip(self._starts, self._ends, strict=True)))

    @property
    def end(self) -> int:
        """One more than the highest index; 0 where there is none."""
        return self._ends[-1] if self._ends else 0

    def next_missing(self, index: int) -> int:
        """The smallest index from here on that is not in the set."""
        place = bisect_right(self._starts, index) - 1
        return self._ends[place] if place >= 0 and index < self._ends[place] else index

    def count(self, first: int, end: int) -> int:
        """How many of `first` to `end` - 1 are in the set."""
        return sum(stop - start for start, stop in self.within(first, end))

    def missing(self, first: int, end: int) -> int:
        """How many of `first` to `end` - 1 are not in the set."""
        return max(0, end - first) - self.count(first, end)

    def within(self, first: int, end: int) -> list[tuple[int, int]]:
        """The intervals, cut to `first` to `end` - 1."""
        if first >= end:
            return []
        low = bisect_right(self._ends, first)
        high = bisect_left(self._starts, end)
        return [(max(first, self._starts[n]), min(end, self._ends[n])) for n in range(low, high)]

    @classmethod
    def of(cls, pairs: Iterable[object]) -> Self:
        """A set of pairs as JSON has them. Raises ContractError for anything else."""
        found = cls()
        try:
            for pair in pairs:
                match pair:
                    case [int(first), int(end)] if 0 <= first < end < 2**63:
                        found.add(first, end)
                    case _:
                        raise ContractError("no interval", field="indices")
        except TypeError as error:
            raise ContractError(str(error), field="indices") from error
        return found
