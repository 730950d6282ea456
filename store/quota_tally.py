"""What devices have used of their quotas of the day, counted in memory and added to the database now and then."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from store.quotas import Noted, Quota, note_quotas, tell_quotas
from store.sql import Database

MOST_ENTRIES: Final = 200_000
"""Devices and quotas that are remembered at a time."""
AT_ONCE: Final = 1000
"""Rows that are written in one statement."""


@dataclass(slots=True)
class _Entry:
    """`known` is what the database said of all who count, the rest what it has not been told yet."""

    known: int = 0
    used: int = 0
    cut: int = 0
    cut_bytes: int = 0
    was_cut: bool = False
    """Whether anything was cut on this day."""

    @property
    def fresh(self) -> bool:
        """Whether the database is to be told something."""
        return bool(self.used or self.cut)


@dataclass(frozen=True, slots=True)
class Row:
    """What is to be added to a device's quota of a day."""

    day: date
    device: str
    quota: str
    used: int
    cut: int
    cut_bytes: int
    allowed: int


@dataclass(frozen=True, slots=True)
class Cut:
    """What was cut just now: messages, meters or series; `first` of the day, as far as this process knows."""

    device: str
    quota: Quota
    count: int
    size: int
    limit: int | None
    first: bool


class Tally:
    """Counts by device and quota against the limits of a day; a quota that has none is not limited. No I/O but `write`.

    What others count, and what was counted before a restart, is known from the first time on that the database was
    told: until then, some seconds, a device may use so much more. `on_cut` is told of all that is cut.
    """

    def __init__(
        self,
        limits: Mapping[Quota, int] | None = None,
        on_cut: Callable[[Cut], None] | None = None,
        most: int = MOST_ENTRIES,
    ) -> None:
        self._limits = dict(limits or {})
        self._on_cut = on_cut
        self._most = most
        self._day: date | None = None
        self._entries: dict[tuple[str, Quota], _Entry] = {}
        self._earlier: dict[tuple[date, str, Quota], _Entry] = {}

    def turn(self, day: date) -> None:
        """It is this day now: what was used before counts no more, and is still to be told.

        What was counted before any day was known is of this one.
        """
        if self._day in (None, day):
            self._day = day
            return
        left = {(self._day, *key): entry for key, entry in self._entries.items() if entry.fresh}
        # of a device that never gets a row nothing can be told
        self._earlier = {key: entry for key, entry in self._earlier.items() if (day - key[0]).days <= 1} | left
        self._day = day
        self._entries = {}

    def take(self, device: str, quota: Quota, amount: int, size: int) -> bool:
        """Use so much, all or nothing; where it is too much, one message of `size` bytes is cut."""
        limit = self._limits.get(quota)
        if limit is None:
            return True
        entry = self._entry(device, quota)
        if entry.known + entry.used + amount <= limit:
            entry.used += amount
            return True
        self._cut(entry, device, quota, 1, size)
        return False

    def room(self, device: str, quota: Quota) -> int | None:
        """How much is left; None where there is no limit."""
        limit = self._limits.get(quota)
        if limit is None:
            return None
        entry = self._entries.get((device, quota))
        return limit if entry is None else max(0, limit - entry.known - entry.used)

    def note(self, device: str, quota: Quota, *, used: int = 0, cut: int = 0, size: int = 0) -> None:
        """Count what was used or cut by somebody else's rule."""
        entry = self._entry(device, quota)
        entry.used += used
        if cut:
            self._cut(entry, device, quota, cut, size)

    def rows(self) -> Iterator[Row]:
        """What the database is to be told; nothing while it is not known of which day."""
        if self._day is None:
            return
        fresh = {(self._day, *key): entry for key, entry in self._entries.items() if entry.fresh}
        for (day, device, quota), entry in (self._earlier | fresh).items():
            allowed = self._limits.get(quota, 0)
            yield Row(day, device, quota, entry.used, entry.cut, entry.cut_bytes, allowed)

    def told(self, row: Row, noted: Noted) -> None:
        """The database has taken a row; `noted` is what it knows now."""
        entry = self._earlier.pop((row.day, row.device, Quota(row.quota)), None) if row.day != self._day else None
        if entry is None and (entry := self._entries.get((row.device, Quota(row.quota)))) is None:
            return
        entry.used -= row.used
        entry.cut -= row.cut
        entry.cut_bytes -= row.cut_bytes
        entry.known = noted.used

    async def write(self, database: Database) -> list[str]:
        """Tell the database; what it doesn't take is told the next time. Returns devices that got an event by it."""
        rows = list(self.rows())
        for start in range(0, len(rows), AT_ONCE):
            some = {(row.day, row.device, row.quota): row for row in rows[start : start + AT_ONCE]}
            columns = zip(*(_columns(row) for row in some.values()), strict=True)
            for noted in await note_quotas(database, *(list(column) for column in columns)):
                self.told(some[noted.day, noted.device, noted.quota], Noted(*noted))
        return await tell_quotas(database)

    def _cut(self, entry: _Entry, device: str, quota: Quota, count: int, size: int) -> None:
        entry.cut += count
        entry.cut_bytes += size
        if self._on_cut is not None:
            self._on_cut(Cut(device, quota, count, size, self._limits.get(quota), first=not entry.was_cut))
        entry.was_cut = True

    def _entry(self, device: str, quota: Quota) -> _Entry:
        entry = self._entries.get((device, quota))
        if entry is None:
            if len(self._entries) >= self._most:
                # most have been told; the few others are told of as far as there is room
                fresh = {key: one for key, one in self._entries.items() if one.fresh}
                self._entries = fresh if len(fresh) < self._most else {}
            entry = self._entries[device, quota] = _Entry()
        return entry


def _columns(row: Row) -> tuple[date, str, str, int, int, int, int]:
    return row.day, row.device, row.quota, row.used, row.cut, row.cut_bytes, row.allowed
