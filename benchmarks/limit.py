"""The limit to compare with: bare COPY, prepared beforehand, into a hypertable with the same unique index."""

import struct
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from store.sql import Connection

SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
ROW = struct.Struct(">hiqidiiih")
"""Fields of a row: count, then (length, value) of time, value, series_id, source."""
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
BATCH_ROWS = 10_000
ROUNDS = 3
"""The best counts: a disturbed limit would flatter the pipeline."""
_BARE_TABLE = Path(__file__).with_name("queries") / "bare_table.sql"


def rows_bytes(first: int, rows: int, series: list[int], start: datetime) -> bytes:
    """Binary COPY data of `rows` readings from number `first` on: time by time, all series in turn."""
    start_us = (start - EPOCH) // timedelta(microseconds=1)
    out = bytearray(SIGNATURE)
    for number in range(first, first + rows):
        step, index = divmod(number, len(series))
        at = start_us + step * 1_000_000
        out += ROW.pack(4, 8, at, 8, 1000 + number * 0.001, 4, series[index], 2, 0)
    return bytes(out + TRAILER)


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for pos in range(0, len(data), 65536):
        yield data[pos : pos + 65536]


async def measure_limit(connection: Connection, series: list[int], rows: int) -> float:
    """Rows per second of COPY over one connection, a transaction for each batch; the best of ROUNDS.

    The data are made before the clock starts. Each round goes into a fresh hypertable as `reading` is, with its unique
    index, but without what else Wattline put there: its trigger and its index by time are the pipeline's cost.
    """
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=10)
    batches = [rows_bytes(first, min(BATCH_ROWS, rows - first), series, start) for first in range(0, rows, BATCH_ROWS)]
    best = max([await _round(connection, batches, rows) for _ in range(ROUNDS)])
    await connection.execute("DROP TABLE bare_reading")
    return best


async def _round(connection: Connection, batches: list[bytes], rows: int) -> float:
    await connection.execute(_BARE_TABLE.read_text())
    await connection.execute("CHECKPOINT")
    began = time.perf_counter()
    for batch in batches:
        await connection.copy_to_table(
            "bare_reading", source=_chunks(batch), columns=["time", "value", "series_id", "source"], format="binary"
        )
    return rows / (time.perf_counter() - began)
