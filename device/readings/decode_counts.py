"""How many telegrams each spec decoded, reported often while a spec is new or fails, else now and then. No I/O."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

FIRST_S: Final = 5.0
"""When a new spec's counts are reported first; then after twice as long each time, up to OFTEN_S."""
OFTEN_S: Final = 60.0
"""How often counts are reported while a spec is new or something fails."""
NEW_S: Final = 3600.0
"""How long a spec is new."""
SELDOM_S: Final = 900.0
"""How often counts are reported that say that all is well."""


@dataclass(slots=True)
class SpecCounts:
    """Counts of one meter by one spec since they were reported last."""

    meter: str
    spec: str
    telegrams: int = 0
    undecodable: int = 0
    refused: int = 0
    """Telegrams with values that the spec refuses."""
    seconds: float = 0.0


@dataclass(slots=True)
class _Running:
    began_s: float
    since_s: float
    counts: SpecCounts

    def is_due(self, now_s: float) -> bool:
        waited_s, age_s = now_s - self.since_s, self.since_s - self.began_s
        if not self.counts.telegrams:
            return False
        if age_s < NEW_S or self.counts.undecodable or self.counts.refused:
            return waited_s >= min(OFTEN_S, max(FIRST_S, age_s))
        return waited_s >= SELDOM_S


class DecodeCounts:
    """Counts the telegrams of one port, by meter; bounded by the meters seen there."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._running: dict[str, _Running] = {}
        self._over: list[SpecCounts] = []

    def add(self, meter: str, spec: str, *, decoded: bool, refused: bool = False) -> None:
        """Count one telegram."""
        now_s = self._monotonic()
        running = self._running.get(meter)
        if running is None or running.counts.spec != spec:
            if running is not None and running.counts.telegrams:
                self._over.append(self._taken(running, now_s))
            running = self._running[meter] = _Running(now_s, now_s, SpecCounts(meter, spec))
        running.counts.telegrams += 1
        running.counts.undecodable += not decoded
        running.counts.refused += refused

    def take_due(self) -> Iterator[SpecCounts]:
        """The counts that are due to be reported; they begin anew."""
        now_s = self._monotonic()
        over, self._over = self._over, []
        yield from over
        for running in self._running.values():
            if running.is_due(now_s):
                yield self._taken(running, now_s)

    @staticmethod
    def _taken(running: _Running, now_s: float) -> SpecCounts:
        counts = running.counts
        counts.seconds = round(now_s - running.since_s, 1)
        running.counts, running.since_s = SpecCounts(counts.meter, counts.spec), now_s
        return counts
