"""What a register consumed by all of its readings, in plain Python: what the database must answer, by whatever way."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

REACH = 10
BREAK, ROLLOVER, EXCURSION, END = 5.0, 2.0, 4.5, 3.0
LAST = 3
"""As many may be disbelieved at either end."""


@dataclass(frozen=True)
class Register:
    """Its readings in order, the power that its meter has, and where it rolls over."""

    readings: list[tuple[datetime, float]]
    max_kw: float = 300.0
    size: float | None = None

    def step(self, i: int, j: int) -> float:
        """What it rose from one reading to another."""
        return self.readings[j][1] - self.readings[i][1]

    def most(self, i: int, j: int) -> float:
        """What its meter could have made it rise between two readings."""
        return self.max_kw * max(0.25, (self.readings[j][0] - self.readings[i][0]).total_seconds() / 3600)

    def rises(self, i: int, j: int) -> bool:
        """Whether it rose by what its meter has the power for."""
        return 0 <= self.step(i, j) <= self.most(i, j)

    def rolls(self, i: int, j: int) -> bool:
        """Whether it may have gone over the top."""
        rise = self.step(i, j) + (self.size or 0)
        return self.size is not None and self.step(i, j) < 0 <= rise <= min(self.size / 5, self.most(i, j))

    def bridge(self, i: int, j: int) -> tuple[float, float] | None:
        """(cost, energy) of believing two readings and none of those between; None where that can't be."""
        low, high, between = (
            *sorted((self.readings[i][1], self.readings[j][1])),
            [v for _, v in self.readings[i + 1 : j]],
        )
        if self.rises(i, j) and all(value < low or value > high for value in between):
            return float(len(between)), self.step(i, j)
        if self.rolls(i, j) and all(low < value < high for value in between):
            return len(between) + ROLLOVER, self.step(i, j) + (self.size or 0)
        return None if between else (BREAK, 0.0)

    def returns(self, i: int, j: int) -> bool:
        """Whether an excursion lies between, that began and ended by steps from and to these stands."""
        out, back = self.step(i, i + 1), self.step(j - 1, j)
        if not self.rises(i, j):
            return False
        if out < 0:
            return self.step(i, j - 1) < 0 and back >= -out / 2
        return self.step(j, i + 1) > 0 > back and out >= -back / 2

    def beyond(self, i: int, j: int) -> int:
        """How many readings of an excursion are on the other side of where it is."""
        low = self.step(i, i + 1) < 0
        return sum(self.step(i, k) >= 0 if low else self.step(j, k) <= 0 for k in range(i + 1, j))

    def believed(self) -> list[int]:
        """The readings to believe: the cheapest way through, and of equals the one with the least energy."""
        best: list[tuple[float, float, int]] = []
        gates: list[int] = []
        for j in range(len(self.readings)):
            bridges = {i: self.bridge(i, j) for i in range(max(0, j - REACH), j)}
            ways = [(END * j, 0.0, -1)] if j <= LAST else []
            ways += [(best[i][0] + way[0], best[i][1] + way[1], i) for i, way in bridges.items() if way is not None]
            ways += [
                (best[i][0] + EXCURSION + self.beyond(i, j), best[i][1] + self.step(i, j), i)
                for i in gates[-20:]
                if i < j - 1 and self.returns(i, j)
            ]
            best.append(min(ways, key=lambda way: (way[0], round(way[1], 6))))
            if j and not self.rises(j - 1, j):
                gates.append(j - 1)
        last = len(best) - 1
        path = [
            min(
                range(max(0, last - LAST), len(best)),
                key=lambda i: (best[i][0] + END * (last - i), round(best[i][1], 6)),
            )
        ]
        while best[path[0]][2] >= 0:
            path.insert(0, best[path[0]][2])
        return path

    def total(self) -> Decimal:
        """What it consumed from its first to its last reading."""
        path = self.believed()
        total = Decimal(0)
        for i, j in pairwise(path):
            if self.rises(i, j) or self.rolls(i, j):
                total += exact(self.readings[j][1]) - exact(self.readings[i][1])
            if self.rolls(i, j):
                total += exact(self.size or 0)
        return total


def exact(value: float) -> Decimal:
    """The decimal number that a reading was."""
    return Decimal(repr(value))
