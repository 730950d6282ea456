"""Which series a batch has readings of, from when until when: noted for outputs that give each reading to others."""

from datetime import datetime
from typing import Final

from ingestor.batches.batch import Batch
from ingestor.batches.rows import READING, instant
from ingestor.writing.store import add_spans, outlets_listen
from store.sql import Connection

_HOUR_US: Final = 3_600_000_000
_DAY_US: Final = 24 * _HOUR_US


async def note_spans(connection: Connection, batch: Batch) -> None:
    """Note them in the transaction that stores them, if somebody wants to know.

    To be called after its first change: whoever makes a cursor waits for transactions that have a number by then.
    """
    if batch.rows and await outlets_listen(connection):
        await add_spans(connection, spans(batch.readings))


def spans(readings: bytes) -> list[tuple[datetime, datetime, list[int]]]:
    """First and last time, and series, of packed readings; what is of other hours is not taken together.

    No span is longer than a series' day: one of years would have outputs give all that lies between again.
    """
    bounds = dict[tuple[int, int], tuple[int, int]]()
    for _, _, at_us, _, _, _, series_id, _, _ in READING.iter_unpack(readings):
        key = series_id, at_us // _DAY_US
        low, high = bounds.get(key, (at_us, at_us))
        bounds[key] = (min(low, at_us), max(high, at_us))
    together = dict[tuple[int, int], list[tuple[int, int, int]]]()
    for (series_id, _), (low, high) in bounds.items():
        together.setdefault((low // _HOUR_US, high // _HOUR_US), []).append((low, high, series_id))
    return [_span(some) for some in together.values()]


def _span(some: list[tuple[int, int, int]]) -> tuple[datetime, datetime, list[int]]:
    lows, highs, series = zip(*some, strict=True)
    return instant(min(lows)), instant(max(highs)), sorted(series)
