"""Rows in COPY's binary format, times, and text that PostgreSQL can hold."""

import json
import struct
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.batches.records import clean, clean_json, delivery_id, salvage
from ingestor.batches.rows import DAY_US, READING, READING_BYTES, by_time, instant, ledger_row, micros

UTC_TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds


@given(UTC_TIMES)
def test_micros_are_exact(at: datetime) -> None:
    """Microseconds since 2000 lead back to the same instant, before 2000 too."""
    assert instant(micros(at)) == at
    assert micros(at + timedelta(microseconds=1)) == micros(at) + 1


def fields(row: bytes) -> list[bytes | None]:
    """A binary COPY row taken apart."""
    (count,) = struct.unpack_from(">h", row)
    found: list[bytes | None] = []
    pos = 2
    for _ in range(count):
        (length,) = struct.unpack_from(">i", row, pos)
        pos += 4
        found.append(None if length < 0 else row[pos : pos + length])
        pos += max(0, length)
    assert pos == len(row)
    return found


@given(st.integers(-(2**40), 2**60), st.none() | st.integers(0, 2**60), st.none() | st.integers(1, 2**31 - 1))
def test_ledger_rows_hold_their_fields(received_us: int, newest_us: int | None, meter_id: int | None) -> None:
    """Each field has its length; absent ones are NULL."""
    row = ledger_row(received_us, newest_us, 184, 7, meter_id, 12, 1, "b3f1", None, None)
    found = fields(row)
    assert found[0] == struct.pack(">q", received_us)
    assert found[1] == (None if newest_us is None else struct.pack(">q", newest_us))
    assert found[4] == (None if meter_id is None else struct.pack(">i", meter_id))
    assert (found[2], found[7], found[8], found[9]) == (struct.pack(">q", 184), b"b3f1", None, None)
    last = fields(ledger_row(0, 0, 1, 1, 1, 1, 1, "b3f1", "lgz@3", 3))
    assert (last[8], last[9]) == (b"lgz@3", struct.pack(">i", 3))


def test_pieces_come_in_the_order_of_time() -> None:
    """Readings are cut into pieces by time, each as large as asked for, and none is lost."""
    rows = [READING.pack(4, 8, at, 8, 1.0, 4, 1, 2, 0) for at in (5, 1, 4, 2, 3)]
    pieces = by_time(bytearray(b"".join(rows)), 2, 100)
    assert [len(piece) // READING_BYTES for piece in pieces] == [2, 2, 1]
    assert b"".join(pieces) == b"".join(rows[index] for index in (1, 3, 4, 2, 0))


def test_pieces_hold_so_many_days() -> None:
    """A day that is in a piece already costs nothing more; the next new one begins another piece."""
    rows = [READING.pack(4, 8, day * DAY_US + n, 8, 1.0, 4, 1, 2, 1) for n, day in enumerate((40, 3, 3, 1, 2, 3))]
    pieces = by_time(b"".join(rows), 100, 2)
    assert [len(piece) // READING_BYTES for piece in pieces] == [2, 4]
    assert by_time(b"", 100, 2) == []


@given(st.text())
def test_clean_text_can_be_stored(text: str) -> None:
    """Cleaned text has no NUL, is encodable, and plain text stays as it is."""
    cleaned = clean(text, 1000)
    assert "\0" not in cleaned
    cleaned.encode()
    assert cleaned == text or "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text)


def test_clean_text_copes_with_lone_surrogates() -> None:
    """A lone surrogate, which JSON can carry, becomes its escape."""
    assert clean("a\ud800b") == "a\\ud800b"


def test_clean_json_is_what_jsonb_takes() -> None:
    """No NUL, no surrogate, no NaN and no endless number is left in it; the rest is unchanged."""
    value = {"a\0": ["\ud800", float("nan"), 10**5000, {"deep": ("x", None, True, 1.5)}]}
    text = clean_json(value)
    assert "\\u0000" not in text
    assert "\\ud800" not in text.replace("\\\\ud800", "")
    read = json.loads(text)["a\\0"]
    assert read[1] == "nan"
    assert read[2].startswith("0x")
    assert read[3] == {"deep": ["x", None, True, 1.5]}


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (b'{"boot":"b3f1","seq":184,"meter":17}', ("b3f1", 184)),
        (b'{"seq" : 3 , "x":1,"boot" : "b3f1", "samples":[NaN', ("b3f1", 3)),
        (b'{"boot":"b3f1","seq":0}', None),
        (b'{"boot":"B3F1","seq":1}', None),
        (b'{"boot":"b3f1","seq":12', None),
        (b"{not json", None),
        # of a boot before, not the message's own
        (b'{"previous":{"boot":"aaaa","seq":61},"boot":"b3f1","seq":0}', None),
        (b'{"previous":{"boot":"aaaa","seq":61},"boot":"b3f1","seq":1}', ("b3f1", 1)),
        (b'{"previous":{"boot":"aaaa","seq":61},"boot":"b3f1","seq":1,"x":[NaN', None),
        (b'{"boot":"b3f1","previous":{"seq":61},"seq":1,"x":[NaN', None),
        (b'{"boot":"b3f1","seq":9007199254740993}', None),
        (b'{"boot":"b3f1","seq":true}', None),
        (b'[{"boot":"b3f1","seq":7}]', None),
    ],
)
def test_salvage(payload: bytes, found: tuple[str, int] | None) -> None:
    """Boot and number of an unreadable message are found where they stand in it whole."""
    assert salvage(payload) == found


def test_delivery_ids_tell_deliveries_apart() -> None:
    """The same parts give the same id, and parts do not run into one another."""
    assert delivery_id("a", 1, b"x") == delivery_id("a", 1, b"x")
    assert delivery_id("ab", "c") != delivery_id("a", "bc")
    assert delivery_id("\ud800") != delivery_id("?")
