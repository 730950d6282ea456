"""Rows in PostgreSQL's binary COPY format, and times as PostgreSQL counts them."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from struct import Struct

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_UNIX_US = int(_EPOCH.timestamp()) * 1_000_000
DAY_US = 86_400_000_000
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
READING_COLUMNS = ("time", "value", "series_id", "source")
LEDGER_COLUMNS = ("received_at", "newest_at", "seq", "device_id", "meter_id", "rows", "kind", "boot", "spec", "resent")

READING = Struct(">hiqidiiih")
"""A reading: 4 fields, each with its length before it. Pack (4, 8, time, 8, value, 4, series_id, 2, source).

Packed here because that takes 0.4 us less a row than asyncpg's copy_records_to_table: a quarter more rows a second.
"""
READING_BYTES = READING.size
_READING_TIME = slice(6, 14)
_NULL = b"\xff\xff\xff\xff"
_LENGTH = Struct(">i").pack
_TIMESTAMP = Struct(">iq").pack
_INTEGER = Struct(">ii").pack
_LEDGER = Struct(">hiq").pack
_LEDGER_NUMBERS = Struct(">iqii").pack
_LEDGER_COUNTS = Struct(">iiih").pack


def micros(at: datetime) -> int:
    """An aware datetime as microseconds since 2000-01-01 UTC, as PostgreSQL keeps timestamptz."""
    since = at - _EPOCH
    return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds


def micros_now() -> int:
    """The present, as `micros()` counts it."""
    return time.time_ns() // 1000 - _EPOCH_UNIX_US


def instant(at_us: int) -> datetime:
    """The aware UTC datetime of `micros()`."""
    return _EPOCH + timedelta(microseconds=at_us)


def ledger_row(
    received_us: int,
    newest_us: int | None,
    seq: int,
    device_id: int,
    meter_id: int | None,
    rows: int,
    kind: int,
    boot: str,
    spec: str | None,
    resent: int | None,
) -> bytes:
    """One row of the ledger, in the order of LEDGER_COLUMNS; boot and spec must hold no NUL."""
    boot_text = boot.encode()
    if spec is None:
        spec_field = _NULL
    else:
        spec_text = spec.encode()
        spec_field = _LENGTH(len(spec_text)) + spec_text
    return b"".join(
        (
            _LEDGER(10, 8, received_us),
            _NULL if newest_us is None else _TIMESTAMP(8, newest_us),
            _LEDGER_NUMBERS(8, seq, 4, device_id),
            _NULL if meter_id is None else _INTEGER(4, meter_id),
            _LEDGER_COUNTS(4, rows, 2, kind),
            _LENGTH(len(boot_text)),
            boot_text,
            spec_field,
            _NULL if resent is None else _INTEGER(4, resent),
        )
    )


@cache
def _plain_ledger(boot_length: int, spec_length: int, resent_length: int) -> Callable[..., bytes]:
    """One pack for all fields: LEDGER_COLUMNS, where none but `resent` may be null."""
    return Struct(f">hiqiqiqiiiiiiihi{boot_length}si{spec_length}si{'i' if resent_length > 0 else ''}").pack


def plain_ledger_row(
    received_us: int,
    newest_us: int,
    seq: int,
    device_id: int,
    meter_id: int,
    rows: int,
    kind: int,
    boot: str,
    spec: str,
    resent: int | None,
) -> bytes:
    """The same as ledger_row, in half the time, where a message has a meter, a newest time and a spec."""
    boot_text, spec_text = boot.encode(), spec.encode()
    boot_length, spec_length = len(boot_text), len(spec_text)
    pack = _plain_ledger(boot_length, spec_length, -1 if resent is None else 4)
    last = (-1,) if resent is None else (4, resent)
    return pack(
        *(10, 8, received_us, 8, newest_us, 8, seq, 4, device_id, 4, meter_id, 4, rows, 2, kind),
        *(boot_length, boot_text, spec_length, spec_text),
        *last,
    )


def by_time(readings: bytes | bytearray, most_rows: int, most_days: int) -> list[bytes]:
    """The same readings in the order of time, cut into pieces of at most so many rows and days."""
    rows = [bytes(readings[start : start + READING_BYTES]) for start in range(0, len(readings), READING_BYTES)]
    rows.sort(key=lambda row: row[_READING_TIME])
    pieces, piece, days = list[bytes](), list[bytes](), set[int]()
    for row in rows:
        day = int.from_bytes(row[_READING_TIME], signed=True) // DAY_US
        if piece and (len(piece) >= most_rows or (len(days) >= most_days and day not in days)):
            pieces.append(b"".join(piece))
            piece, days = [], set()
        piece.append(row)
        days.add(day)
    return [*pieces, b"".join(piece)] if piece else []
