"""Pages of an export as CSV or Parquet, encoded as they come."""

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from operator import attrgetter
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from store.export.cells import cell
from store.export.selection import Selection
from store.export.store import SeriesName

MEDIA = {"csv": "text/csv; charset=utf-8; header=present", "parquet": "application/vnd.apache.parquet"}
GROUP_ROWS = 100_000
"""Rows in a row group of Parquet, which is what a reader takes at a time."""
_INSTANT = pa.timestamp("us", tz="UTC")
_TEXT = pa.dictionary(pa.int32(), pa.string())
_NAMES = (("device", _TEXT), ("meter", _TEXT), ("obis", _TEXT), ("unit", _TEXT))
COLUMNS: dict[str, tuple[tuple[str, pa.DataType], ...]] = {
    "export_raw": (("time", _INSTANT), *_NAMES, ("value", pa.float64()), ("source", _TEXT), ("clock", _TEXT)),
    "export_rollup": (
        ("time", _INSTANT),
        *_NAMES,
        ("first_at", _INSTANT),
        ("first_value", pa.float64()),
        ("last_at", _INSTANT),
        ("last_value", pa.float64()),
        ("min_value", pa.float64()),
        ("max_value", pa.float64()),
        ("mean_value", pa.float64()),
        ("readings", pa.int64()),
    ),
    "export_consumption": (
        ("time", _INSTANT),
        ("bucket_end", _INSTANT),
        *_NAMES,
        ("value", pa.decimal128(24, 6)),
        ("estimated", pa.bool_()),
        ("flag", _TEXT),
    ),
}


class Pages(Protocol):
    """An export, or what stands before one."""

    series: dict[int, SeriesName]

    def pages(self) -> AsyncIterator[list[Any]]:
        """Pages of rows by time and series; none is empty."""


def encoded(export: Pages, selection: Selection, form: str) -> AsyncGenerator[bytes, None]:
    """The whole file, in parts; an export without rows has its header at least."""
    return _csv(export, selection) if form == "csv" else _parquet(export, selection)


def _getters(export: Pages, selection: Selection) -> list[tuple[str, Callable[[Any], Any]]]:
    """How to take each column from a row."""
    series = export.series

    def named(name: str) -> Callable[[Any], Any]:
        return lambda row: getattr(series[row.series_id], name)

    def plain(name: str) -> Callable[[Any], Any]:
        return attrgetter(name)

    names = {name for name, _ in _NAMES}
    return [(name, named(name) if name in names else plain(name)) for name, _ in COLUMNS[selection.query]]


async def _csv(export: Pages, selection: Selection) -> AsyncGenerator[bytes, None]:
    getters = _getters(export, selection)
    yield (",".join(name for name, _ in getters) + "\r\n").encode()

    def written(rows: list[Any]) -> bytes:
        text = io.StringIO()
        csv.writer(text).writerows([[cell(get(row)) for _, get in getters] for row in rows])
        return text.getvalue().encode()

    async for rows in export.pages():
        yield await asyncio.to_thread(written, rows)


class _Pipe(io.RawIOBase):
    """What pyarrow writes into, to be taken out and sent."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._at += len(part)
        return len(part)

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


async def _parquet(export: Pages, selection: Selection) -> AsyncGenerator[bytes, None]:
    getters = _getters(export, selection)
    schema = pa.schema(list(COLUMNS[selection.query]))
    pipe = _Pipe()
    writer = await asyncio.to_thread(pq.ParquetWriter, pipe, schema, compression="zstd")

    def columns(rows: list[Any]) -> pa.RecordBatch:
        arrays = [
            pa.array([get(row) for row in rows], type=field.type)
            for (_, get), field in zip(getters, schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    # pages wait as columns, which take a tenth of what their records do
    waiting: list[pa.RecordBatch] = []
    async for rows in export.pages():
        waiting.append(await asyncio.to_thread(columns, rows))
        if sum(batch.num_rows for batch in waiting) >= GROUP_ROWS:
            await asyncio.to_thread(writer.write_table, pa.Table.from_batches(waiting))
            waiting = []
            yield pipe.take()
    if waiting:
        await asyncio.to_thread(writer.write_table, pa.Table.from_batches(waiting))
    await asyncio.to_thread(writer.close)
    yield pipe.take()
