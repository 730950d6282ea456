"""M-Bus on the wire: frames in any slices, data records of every type, heads, facts, and the codes of EN 13757-1."""

import json
import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import FrameError
from meters.telegram import Frame, MeterTime, Record, Telegram, Wire
from meters.wires.encode.mbus import MbusValue, encode_mbus
from meters.wires.mbus.link import MbusFramer, long, select, short
from meters.wires.mbus.telegram import parse_mbus

SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
UNITS = {"m^3": "m³", "m^3/h": "m³/h", "-": None, None: None, "Â°C": "°C"}


def wall(*parts: int) -> datetime:
    """A wall clock's time."""
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)  # type: ignore[arg-type, misc]


def events(*pieces: bytes) -> list[Frame | FrameError]:
    framer = MbusFramer()
    return [found for piece in pieces for found in framer.feed(piece)] + framer.finish()


def telegram(data: bytes) -> Telegram:
    (frame,) = events(data)
    assert isinstance(frame, Frame)
    return parse_mbus(frame)


def record(head: str, value: float | bytes, *, medium: int = 2) -> Record:
    """The only record of a reply with it."""
    (found,) = telegram(encode_mbus("12345678", [MbusValue(head, value)], medium=medium)).records
    return found


@pytest.mark.field
def test_every_value_of_the_field(field: Path) -> None:
    """Each capture gives its facts and all of its values, in the order of the wire."""
    expected: dict[str, Any] = json.loads((field / "mbus" / "expected.json").read_text())
    read = 0
    for name, wanted in expected.items():
        found = telegram((field / name).read_bytes())
        facts = wanted["facts"]
        assert found.facts["manufacturer"] == facts["Manufacturer"], name
        assert (int(found.facts["serial"]), found.facts["version"]) == (int(facts["Id"]), facts["Version"]), name
        assert facts["Medium"].lower().startswith(found.facts["medium"]), name
        assert len(found.records) == len(wanted["first"]), name
        for (key, (value, unit)), one in zip(wanted["first"].items(), found.records, strict=True):
            assert said(one) == pytest.approx(value) if isinstance(value, float) else said(one) == value, (name, key)
            if isinstance(value, float) and unit != "s":
                assert one.unit in (UNITS.get(unit, unit), "" if unit is None else None), (name, key)
            read += 1
    assert read >= 110


def said(one: Record) -> float | str | None:
    """A value as libmbus writes it: times in seconds, octets apart, stamps with a Z."""
    if isinstance(one.value, Decimal):
        return float(one.value) * SECONDS.get(one.unit or "", 1)
    if isinstance(one.value, bytes):
        return one.value.hex(" ").upper()
    return f"{one.value}Z" if one.address == "time" else one.value


@pytest.mark.parametrize(
    ("head", "value", "wanted"),
    [
        ("04 06", 12345, Record("1-0:1.8.0", Decimal(12345000), "Wh", None, 0, 3, -4)),
        ("01 03", -1, Record("1-0:1.8.0", Decimal(-1), "Wh", None, 0, None, -1)),
        ("0c 04", 12345678, Record("1-0:1.8.0", Decimal(123456780), "Wh", None, 0, 1, None)),
        ("0a 2b", -123, Record("1-0:16.7.0", Decimal(-123), "W", None, 0, None, None)),
        ("05 2e", 1.5, Record("1-0:16.7.0", Decimal(1500), "W", None, 0, 3, None)),
        ("04 fb 02", 7, Record("1-0:3.8.0", Decimal(7000), "varh", None, 0, 3, -4)),
        ("04 fb 82 3c", 7, Record("1-0:4.8.0", Decimal(7000), "varh", None, 0, 3, -4)),
        ("84 20 86 3b", 7, Record("1-0:1.8.2", Decimal(7000), "Wh", None, 0, 3, -4)),
        ("04 83 fc 02", 7, Record("1-0:41.8.0", Decimal(7), "Wh", None, 0, None, -4)),
        ("02 ab fc 03", -7, Record("1-0:76.7.0", Decimal(-7), "W", None, 0, None, -2)),
        ("02 fd d9 fc 04", 7, Record("1-0:91.7.0", Decimal("0.007"), "A", None, 0, -3, -2)),
        ("02 fb 2e", 500, Record("1-0:14.7.0", Decimal("50.0"), "Hz", None, 0, -1, -2)),
        ("12 2b", 9, Record("power:max", Decimal(9), "W", None, 0, None, -2)),
        ("c2 81 01 2b", 9, Record("power/s35", Decimal(9), "W", None, 0, None, -2)),
        ("82 80 40 2b", 9, Record("power/u2", Decimal(9), "W", None, 0, None, -2)),
        ("02 ab ff 01", 9, Record("power+7f01", Decimal(9), "W", None, 0, None, -2)),
        ("02 ff 68", 9, Record("maker-68", Decimal(9), None, None, 0, None, -2)),
        ("02 ab 73", 9, Record("1-0:16.7.0", Decimal("0.009"), "W", None, 0, -3, -2)),
        ("02 ab 7d", 9, Record("1-0:16.7.0", Decimal(9000), "W", None, 0, 3, -2)),
        ("02 ab 15", 9, Record("1-0:16.7.0", None, None, None, 0x1500, None, -2)),
        ("02 ab 22", 9, Record("power+22", Decimal(9), None, None, 0, None, -2)),
        ("02 fd 17", b"\x01\x80", Record("error-flags", Decimal(0x8001), None, None, 0, None, 2)),
        ("02 2b", -0x8000, Record("1-0:16.7.0", None, None, None, 0, None, -2)),
        ("0a 2b", b"\xde\xbd", Record("1-0:16.7.0", None, None, None, 0, None, None)),
        ("05 2b", b"\x00\x00\xc0\x7f", Record("1-0:16.7.0", None, None, None, 0, None, None)),
        ("0d fd 0c", b"\x03cba", Record("model", "abc", None, None, 0, None, None)),
        ("0d 03", b"\xc2\x34\x12", Record("1-0:1.8.0", Decimal(1234), "Wh", None, 0, None, None)),
        ("0d 03", b"\xd1\x07", Record("1-0:1.8.0", Decimal(-7), "Wh", None, 0, None, None)),
        ("0d 03", b"\xe2\xfe\xff", Record("1-0:1.8.0", Decimal(-2), "Wh", None, 0, None, None)),
        ("0d 79", b"\xf0" + bytes(range(16)), Record("identification", bytes(range(16))[::-1], None, None, 0)),
        ("02 7c 03 48 25 65", 7, Record("text-e-H", Decimal(7), None, None, 0, None, -2)),
        ("42 6c", bytes.fromhex("5f1c"), Record("date/s1", "2010-12-31", None, MeterTime(wall(2010, 12, 31)), 0)),
        ("04 6d", bytes.fromhex("1a2f6511"),
         Record("time", "2011-01-05T15:26:00", None, MeterTime(wall(2011, 1, 5, 15, 26)), 0)),
        ("04 6d", bytes.fromhex("1aaf6511"),
         Record("time", "2011-01-05T15:26:00", None, MeterTime(wall(2011, 1, 5, 15, 26), dst=True), 0)),
        ("04 6d", bytes.fromhex("9a2f6511"), Record("time", None, None, None, 0)),
        ("06 6d", bytes.fromhex("1e3b0b153a30"),
         Record("time", "2024-10-21T11:59:30", None, MeterTime(wall(2024, 10, 21, 11, 59, 30)), 0)),
        ("03 6d", bytes.fromhex("1e3b0b"), Record("time", "11:59:30", None, None, 0)),
    ],
)  # fmt: skip
def test_records_of_every_type(head: str, value: float | bytes, wanted: Record) -> None:
    """Integers, BCD, reals, texts, stamps; factors, errors, phases, directions; and addresses where no code stands."""
    assert record(head, value) == wanted


@pytest.mark.parametrize(
    ("medium", "head", "address"),
    [
        (4, "04 06", "6-0:1.0.0"), (0x0C, "04 0e", "6-0:1.0.0"), (0x0A, "04 06", "5-0:1.0.0"),
        (4, "84 20 06", "6-0:1.0.2"), (4, "04 14", "6-0:2.0.0"), (4, "04 2d", "6-0:8.0.0"), (4, "04 3b", "6-0:9.0.0"),
        (4, "02 59", "6-0:10.0.0"), (4, "02 5d", "6-0:11.0.0"), (4, "02 61", "6-0:12.0.0"),
        (7, "04 13", "8-0:1.0.0"), (0x16, "02 3b", "8-0:2.0.0"), (6, "04 13", "9-0:1.0.0"), (3, "04 13", "7-0:3.0.0"),
        (7, "44 13", "volume/s1"), (7, "04 93 7f", "volume+7f"), (0, "04 13", "volume"), (4, "84 40 14", "volume/u1"),
    ],
)  # fmt: skip
def test_codes_by_medium(medium: int, head: str, address: str) -> None:
    """The same quantity is another code for heat, water and gas; what is not of now or not plain has none."""
    assert record(head, 1, medium=medium).address == address


def test_values_of_a_storage_have_its_stamp() -> None:
    """A stored value was taken when the stamp of its storage number says; a mere day is no time."""
    values = [MbusValue("44 13", 7), MbusValue("46 6d", bytes.fromhex("000008162700")), MbusValue("84 01 13", 8),
              MbusValue("82 01 6c", bytes.fromhex("5f1c")), MbusValue("04 13", 9)]  # fmt: skip
    found = {one.address: one.at for one in telegram(encode_mbus("1", values, medium=3)).records}
    assert found["volume/s1"] == MeterTime(wall(2016, 7, 22, 8))
    assert found["volume/s2"] is None
    assert found["7-0:3.0.0"] is None


def test_status_and_texts_are_facts() -> None:
    """What the status octet complains of, in words; model, firmware and software where records name them."""
    values = [MbusValue("0d fd 0c", b"\x04200G"), MbusValue("09 fd 0e", 12)]
    found = telegram(encode_mbus("00123456", values, manufacturer="ABC", version=7, medium=0x15, status=0x1C))
    assert found.facts == {
        "manufacturer": "ABC", "serial": "00123456", "version": "7", "medium": "hot water",
        "status": "power low, permanent error, temporary error", "product": "G002", "firmware": "12",
    }  # fmt: skip
    assert {one.status for one in found.records} == {0x1C}


def test_fixed_data() -> None:
    """Two counters with their units, in BCD or binary, of the medium that both unit octets name (EN 1434-3)."""
    body = bytes.fromhex("785634120a00e97e0100000035010000")
    found = telegram(long(8, 5, 0x73, body))
    assert (found.facts["serial"], found.facts["medium"]) == ("12345678", "water")
    assert [(one.address, one.value, one.unit) for one in found.records] == [
        ("8-0:1.0.0", Decimal("0.001"), "m³"),
        ("volume/s1", Decimal("0.135"), "m³"),
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (long(8, 1, 0x70, b"\x08"), "meter_error"),
        (long(8, 1, 0x73, b"\x08"), "malformed"),
        (long(8, 1, 0x72, bytes(5)), "malformed"),
        (long(8, 1, 0x72, bytes(10) + b"\x00\x05" + bytes(16)), "encrypted"),
        (encode_mbus("1", [MbusValue("04 06", b"\x00")]), "malformed"),
        (encode_mbus("1", [MbusValue("04 86 86", b"")]), "malformed"),
        (encode_mbus("1", [MbusValue("0d 03", b"\xf9")]), "malformed"),
        (encode_mbus("1", [MbusValue("3f", b"\x00")]), "malformed"),
    ],
)
def test_what_is_no_reading(data: bytes, reason: str) -> None:
    """Sound frames that say an error, are encrypted, or whose records make no sense."""
    with pytest.raises(FrameError) as caught:
        telegram(data)
    assert caught.value.reason == reason


ONE = encode_mbus("12345678", [MbusValue("04 13", 1)], medium=7, more=True)
TWO = encode_mbus("12345678", [MbusValue("02 3b", 2)], medium=7, access=2)
OTHER = encode_mbus("87654321", [MbusValue("04 13", 3)], medium=7)


def test_more_records_follow() -> None:
    """A reply in two frames is one telegram; the frame of another meter behind the first is none of its parts."""
    found = telegram(ONE + TWO)
    assert [one.address for one in found.records] == ["8-0:1.0.0", "8-0:2.0.0"]
    assert parse_mbus(Frame(Wire.MBUS, found.frame)) == found
    assert [event.data for event in events(ONE + OTHER)] == [ONE, OTHER]
    assert [event.data for event in events(ONE)] == [ONE]


def test_requests_between_replies_are_no_telegrams() -> None:
    """What a master asks, and acknowledgements, are skipped."""
    framer = MbusFramer()
    line = short(0x40, 1) + b"\xe5" + short(0x7B, 1) + OTHER + select("87654321") + b"\xe5"
    assert [event.data for event in framer.feed(line) + framer.finish()] == [OTHER]
    assert framer.skipped == len(line) - len(OTHER)


@given(st.lists(st.sampled_from([ONE, TWO, OTHER, OTHER[:9], OTHER[5:], b"\x68", b"\x68\x03\x03\x68", b"\xe5"])),
       st.integers(0, 2**30))  # fmt: skip
def test_slices_change_nothing(parts: list[bytes], seed: int) -> None:
    """Frames, torn ones and false starts give the same in any slices; every byte is given once or counted."""
    stream, chance = b"".join(parts), random.Random(seed)  # noqa: S311 - no secret
    pieces, start = [], 0
    while start < len(stream):
        size = chance.randint(1, 30)
        pieces.append(stream[start : start + size])
        start += size
    whole, sliced = MbusFramer(), MbusFramer()
    expected = whole.feed(stream) + whole.finish()
    found = [event for piece in pieces for event in sliced.feed(piece)] + sliced.finish()
    assert [event.data for event in found] == [event.data for event in expected]
    assert whole.skipped + sum(len(event.data) for event in expected) == len(stream)
    assert sum(OTHER in event.data for event in expected) >= parts.count(OTHER) - sum(p != OTHER for p in parts)


@pytest.mark.parametrize("place", range(6, len(OTHER)))
def test_a_changed_octet_is_a_failure_or_nothing(place: int) -> None:
    """No reading comes of a frame with one octet changed, and the next frame is found."""
    damaged = bytearray(OTHER)
    damaged[place] ^= 0x40
    found = events(bytes(damaged) + TWO)
    assert [event.data for event in found if isinstance(event, Frame)] == [TWO]
