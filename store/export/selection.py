"""Readings, roll-ups and consumption of any range and selection, read page by page in the order of time."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from store.export.store import (
    SeriesName,
    export_consumption,
    export_count,
    export_raw,
    export_rollup,
    export_series,
)
from store.sql import Reader, declared

Step = Literal["raw", "15m", "1h", "1d", "1mo"]
What = Literal["rollup", "consumption"]
PAGE_ROWS = 20_000
"""Rows in memory at a time."""
_STATEMENTS = {one.__name__: one for one in (export_raw, export_rollup, export_consumption)}
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_NARROWEST = {
    "raw": timedelta(minutes=15),
    "15m": timedelta(hours=6),
    "1h": timedelta(days=1),
    "1d": timedelta(days=31),
    "1mo": timedelta(days=366),
}
_BUCKETS_A_DAY = {"15m": 96.0, "1h": 24.0, "1d": 1.0, "1mo": 1 / 28}
_FEWEST_BUCKETS = 4
"""A page of consumption is at least so wide: each costs a look at the readings around it."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What to export; None for all. `start` <= time < `end`."""

    start: datetime
    end: datetime
    step: Step = "raw"
    what: What = "rollup"
    devices: tuple[str, ...] | None = None
    meters: tuple[str, ...] | None = None
    obis: tuple[str, ...] | None = None

    @property
    def query(self) -> str:
        """The name of the statement that reads it."""
        return "export_raw" if self.step == "raw" else f"export_{self.what}"


class Export:
    """One export: `rows` is about how many there will be, `pages()` reads them."""

    def __init__(self, reads: Reader, selection: Selection, series: dict[int, SeriesName], rows: int) -> None:
        self._reads = reads
        self._selection = selection
        self.series = series
        self.rows = rows

    @classmethod
    async def prepare(cls, reads: Reader, selection: Selection) -> "Export":
        """Find the series, and count what the roll-ups know of them."""
        registers = selection.query == "export_consumption"
        found = await export_series(reads, selection.devices, selection.meters, selection.obis, registers)
        series = {one.series_id: one for one in found}
        counted = await export_count(reads, list(series), selection.start, selection.end)
        if selection.step == "raw":
            return cls(reads, selection, series, counted.readings)
        buckets = int(counted.days * _BUCKETS_A_DAY[selection.step]) + 1
        return cls(reads, selection, series, min(counted.readings, buckets))

    async def pages(self) -> AsyncIterator[list[Any]]:
        """Pages of rows by time and series; none is empty."""
        chosen, ids = self._selection, list(self.series)
        read = declared(_STATEMENTS[chosen.query]).instead("_15m", f"_{chosen.step}").run
        if not ids:
            return
        since, width = chosen.start, self._width()
        while since < chosen.end:
            # not since + width, which may be beyond the calendar
            until = chosen.end if chosen.end - since <= width else since + width
            if chosen.query == "export_consumption":
                if rows := await read(self._reads, ids, since, until):
                    yield rows
            else:
                after: tuple[datetime, int] = (_EARLIEST, 0)
                while rows := await read(self._reads, ids, since, until, *after, PAGE_ROWS):
                    yield rows
                    after = rows[-1].time, rows[-1].series_id
                    if len(rows) < PAGE_ROWS:
                        break
            since = until

    def _width(self) -> timedelta:
        """A stretch of time that holds about a page."""
        chosen = self._selection
        if chosen.query == "export_consumption":
            # rows that no reading stands for, over long silences, count too: so this is of all that may come
            a_day = _BUCKETS_A_DAY[chosen.step]
            return timedelta(days=max(_FEWEST_BUCKETS, PAGE_ROWS // len(self.series)) / a_day)
        span = chosen.end - chosen.start
        return max(_NARROWEST[chosen.step], span / max(1.0, self.rows / PAGE_ROWS))
