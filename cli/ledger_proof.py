"""Whether a range of the ledger is whole: which numbers must be there, which are, and which are missing. No I/O."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

JUMP: Final = 100_000_000
FIRST: Final = 1_000_000_000
"""Numbers further above what is known of a boot, or above this where nothing is, can't be right: as in the store."""
HEALS_WITHIN: Final = timedelta(hours=1)
"""A device that is there has sent again by then what the store did not confirm."""


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """Numbers that came, without a break, and when the first and the last of them did."""

    low: int
    high: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of a boot that must have been sent and did not come in the range.

    `after_at` is the receipt of the number before them, None where there is none; `before_at` of what came, or told of
    them, in their place.
    """

    device: str
    boot: str
    low: int
    high: int
    after_at: datetime | None
    before_at: datetime

    @property
    def numbers(self) -> int:
        """How many."""
        return self.high - self.low + 1

    def expected(self, now: datetime, *, online: bool) -> bool:
        """Whether they may still come by themselves: the device is away, or has not had the time yet."""
        return not online or now - self.before_at < HEALS_WITHIN


@dataclass(slots=True)
class BootRecord:
    """What came of a boot: before the range (its last part only), within it, and after it (its first part only)."""

    device: str
    boot: str
    before: list[Run] = field(default_factory=list)
    within: list[Run] = field(default_factory=list)
    after: list[Run] = field(default_factory=list)
    first_at: datetime | None = None
    """Receipt of its first message, None where nobody knows."""
    last_seq: int | None = None
    """The highest number as summed up, None where nothing is yet."""
    ended: tuple[int, datetime] | None = None
    """Its last number, and when the next boot told so."""

    def gaps(self, since: datetime, until: datetime) -> list[Gap]:
        """What is missing of the range, from the number before it (1 where that is not known) to the last one known."""
        ended = self.ended if self.ended is not None and since <= self.ended[1] < until else None
        if not (self.within or ended or (self.before and self.after)):
            return []
        tops = [run.high for run in [*self.within, *self.before]] + ([ended[0]] if ended else [])
        top = max(tops)
        later = min((run for run in self.after if run.low > top), default=None)
        if later is not None and (self.within or self.before):
            top = later.low - 1
        bottom = max((run.high for run in self.before), default=0) + 1
        have = merged([*self.before, *self.within])
        known = [*have, later] if later else have
        return [self._gap(low, high, known, ended) for low, high in _between(bottom, top, have)]

    def believes(self, run: Run) -> bool:
        """Whether a device can have got so far."""
        return run.low <= (FIRST if self.last_seq is None else self.last_seq + JUMP)

    @property
    def start_known(self) -> bool:
        """Whether the number that came last before the range is known."""
        return bool(self.before)

    def _gap(self, low: int, high: int, known: list[Run], ended: tuple[int, datetime] | None) -> Gap:
        after = max((run for run in known if run.high < low), default=None, key=lambda run: run.high)
        next_ = min((run for run in known if run.low > high), default=None)
        told_at = ended[1] if ended else max(run.last_at for run in known)
        before_at = next_.first_at if next_ is not None else told_at
        return Gap(self.device, self.boot, low, high, after.last_at if after else None, before_at)


def merged(runs: Iterable[Run]) -> list[Run]:
    """The same numbers in as few runs as can be, in their order."""
    found: list[Run] = []
    for run in sorted(runs):
        if found and run.low <= found[-1].high + 1:
            last = found[-1]
            found[-1] = Run(
                last.low,
                max(last.high, run.high),
                min(last.first_at, run.first_at),
                run.last_at if run.high > last.high else last.last_at,
            )
        else:
            found.append(run)
    return found


def without(gap: Gap, elsewhere: Iterable[Run]) -> list[Gap]:
    """What is left of a gap where some of its numbers came at another time."""
    found = merged(elsewhere)
    left = []
    for low, high in _between(gap.low, gap.high, found):
        earlier = [run for run in found if run.high < low and run.high >= gap.low]
        left.append(replace(gap, low=low, high=high, after_at=earlier[-1].last_at if earlier else gap.after_at))
    return left


def above(gap: Gap, runs: Iterable[Run], first_low: int) -> Gap | None:
    """Of a gap before `first_low`, whose beginning was not known, what lies above the last number before the range.

    None where nothing does, or where nothing before the range is known: it may be older than the ledger.
    """
    highest = max((run.high for run in runs if run.high < first_low), default=None)
    if highest is None or highest >= gap.high:
        return None
    return replace(gap, low=max(gap.low, highest + 1))


def _between(bottom: int, top: int, have: Iterable[Run]) -> Iterator[tuple[int, int]]:
    """The stretches of [bottom, top] that no run covers; the runs are merged."""
    for run in have:
        if run.low > top:
            break
        if run.low > bottom:
            yield bottom, run.low - 1
        bottom = max(bottom, run.high + 1)
    if bottom <= top:
        yield bottom, top
