"""Every telegram of real meters in ../shared/captures, read on the wire's own terms and compared with expected.json."""

import json
import random
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from broker.errors import FrameError
from meters.telegram import Frame, Framer, Record, Telegram, Wire
from meters.wires.readers import AnyFramer, make_framer, parse
from meters.wires.text.checks import block_check, crc16

pytestmark = pytest.mark.captures

UNITS = {"m3": "m³", "m3ph": "m³/h", "C": "°C"}
WRONG_CRC = {"p1/p1-example-4.0.txt", "p1/p1-example-5.0.txt", "iec62056-21/datablock_heat.txt"}
MODE_D = {"p1/telegram_esy5q3da1004_v304.txt", "p1/telegram_esy5q3db1024_v304.txt"}
# DZG DVS74 sends it as a too narrow signed integer; expected.json has it mended, as a spec must.
DZG_MENDED = {("sml/DZG_DVS-7412.2_jmberg.bin", "1-0:16.7.0"): Decimal("-299.12")}


@pytest.fixture
def expected(captures: Path) -> dict[str, Any]:
    """What expected.json says of each file."""
    found: dict[str, Any] = json.loads((captures / "expected.json").read_text())
    return found


def slices(data: bytes, seed: int) -> Iterator[bytes]:
    """The data in pieces of 1 to 90 bytes."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    start = 0
    while start < len(data):
        size = chance.randint(1, 90)
        yield data[start : start + size]
        start += size


def read(framer: Framer | AnyFramer, pieces: Iterator[bytes] | list[bytes]) -> list[Frame | FrameError]:
    """All that the framer makes of the pieces."""
    events = [event for piece in pieces for event in framer.feed(piece)]
    return events + framer.finish()


def telegrams(events: list[Frame | FrameError]) -> list[Telegram]:
    """The telegrams of the good frames."""
    return [parse(event) for event in events if isinstance(event, Frame)]


def mended(data: bytes) -> bytes:
    """The bytes with the check of each telegram recomputed."""
    if data[:1] == b"\x02":
        end = data.index(b"\x03")
        return data[: end + 1] + bytes([block_check(data[1 : end + 1])])
    return re.sub(rb"(/[^!]*!)[0-9A-F]{4}", lambda match: match[1] + f"{crc16(match[1]):04X}".encode(), data)


def normal(address: str) -> str:
    """A key of expected.json as Record.address spells it."""
    return re.sub(r"\*255$", "", address)


def said(record: Record) -> set[str]:
    """What a record says in the words of the wire, numbers in a normal form."""
    words = {record.at.local.strftime("%y%m%d%H%M%S")} if record.at else set()
    if isinstance(record.value, Decimal):
        return words | {f"{record.value.normalize():f} {record.unit or ''}".strip()}
    return words | {str(record.value) if record.value is not None else ""}


def wanted(group: str) -> set[str]:
    """The forms in which a group may have been kept."""
    value, _, unit = group.partition("*")
    forms = {group, group[:12], group.ljust(12, "0")}
    if re.fullmatch(r"[+-]?\d+(\.\d+)?", value):
        forms.add(f"{Decimal(value).normalize():f} {UNITS.get(unit, unit)}".strip())
    return forms


def assert_text(telegram: Telegram, data_sets: dict[str, str]) -> None:
    """Each group of each data set of expected.json is in a record of its address."""
    for name, text in data_sets.items():
        address = normal(name)
        if "-" not in address and address not in telegram.addresses:
            address = "1-0:" + re.sub(r"\*0", "*", address)
        known = (address, re.sub(r"\*0", "*", address), name)
        records = [record for record in telegram.records if record.address in known]
        assert records, name
        words = set().union(*(said(record) for record in records))
        groups = re.findall(r"\(([^()]*)\)", text)
        if name.endswith(":24.3.0"):
            groups = groups[:2]
        for group in groups:
            parts = group.split("&") if "*" in group else [group]
            for part in parts:
                # A stamp that is no time leaves its record without one.
                assert part.startswith("6325") or words & wanted(part), (name, group, words)


def test_sml_values(captures: Path, expected: dict[str, Any]) -> None:
    """Each SML capture gives its number of telegrams, and the first and last their values, units and octets."""
    names = [name for name in expected if name.startswith("sml/")]
    assert len(names) == 20
    for name in names:
        found = telegrams(read(make_framer(Wire.SML), [(captures / name).read_bytes()]))
        assert len(found) == expected[name]["telegrams"], name
        assert_sml(name, found[0], expected[name]["first"])
        if expected[name]["last"]:
            assert_sml(name, found[-1], expected[name]["last"])


def assert_sml(name: str, telegram: Telegram, values: dict[str, list[Any]]) -> None:
    """All entries in the order of the wire; server ids and short texts are decoded in expected.json."""
    assert [normal(key) for key in values] == list(telegram.addresses)
    for key, (value, unit) in values.items():
        (record,) = [record for record in telegram.records if record.address == normal(key)]
        mend = DZG_MENDED.get((name, record.address))
        if isinstance(value, str):
            assert isinstance(record.value, bytes)
            forms = {record.value.hex(), record.value.decode("latin-1"), telegram.facts.get("serial")}
            assert value in forms, (name, key)
        else:
            amount = None if value is None else float(mend if mend is not None else value)
            assert (None if record.value is None else float(record.value)) == pytest.approx(amount), (name, key)
            assert record.unit == (unit or None), (name, key)


def test_text_values(captures: Path, expected: dict[str, Any]) -> None:
    """Each P1 and IEC 62056-21 capture gives the data sets of its first telegram, its check recomputed where wrong."""
    names = [name for name in expected if not name.startswith("sml/")]
    assert len(names) == 28
    for name in names:
        data = (captures / name).read_bytes()
        if name in WRONG_CRC:
            data = mended(data)
        events = read(AnyFramer(), [data])
        found = telegrams(events)
        if name == "p1/ttyUSB0-mini.txt":
            assert len(found) == 2
            continue
        assert len(found) == 1, name
        assert len(events) == 1, name
        is_p1 = name.startswith("p1/") and name not in MODE_D
        assert found[0].protocol is (Wire.P1 if is_p1 else Wire.IEC62056_21), name
        assert_text(found[0], expected[name]["first"])
        identification = expected[name]["identification"]
        assert found[0].facts.get("identification") == (identification[1:] if identification else None)


def test_wrong_crcs_are_refused(captures: Path, expected: dict[str, Any]) -> None:
    """The captures whose published check is wrong give one failure each and no telegram."""
    for name in expected:
        if name.startswith("sml/"):
            continue
        events = read(AnyFramer(), [(captures / name).read_bytes()])
        reasons = [event.reason for event in events if isinstance(event, FrameError)]
        assert (name in WRONG_CRC) == (reasons in (["crc_mismatch"], ["bcc_mismatch"])), name


def test_damaged_sml_files_are_reported(captures: Path) -> None:
    """The two damaged files of the DZG capture are failures with their bytes; its torn tail is one, too."""
    data = (captures / "sml/dzg_dwsb20_2th_3byte.bin").read_bytes()
    events = read(make_framer(Wire.SML), [data])
    errors = [event for event in events if isinstance(event, FrameError)]
    assert [error.reason for error in errors] == ["crc_mismatch", "crc_mismatch", "truncated"]
    assert all(error.data in data for error in errors)


def test_a_stripped_and_torn_capture(captures: Path) -> None:
    """A capture without CRs that begins and ends in mid-telegram gives its two whole telegrams, CRCs held."""
    data = (captures / "p1/ttyUSB0-mini.txt").read_bytes()
    events = read(AnyFramer(), [data])
    assert [type(event) for event in events] == [Frame, Frame, FrameError]
    values = [{record.address: record.value for record in telegram.records} for telegram in telegrams(events)]
    assert [each["1-0:1.7.0"] for each in values] == [Decimal("0.378"), Decimal("0.377")]


def test_load_profiles(captures: Path) -> None:
    """P.01 replies give a row an interval with its end; a header in mid-reply leaves the gap."""
    (one,) = telegrams(read(AnyFramer(), [(captures / "iec62056-21/P01_data_1.txt").read_bytes()]))
    assert [row.at.local.strftime("%y%m%d%H%M") for row in one.profile] == ["2208231615", "2208231630"]
    assert one.profile[0].records[0] == Record("1-0:1.5.0", Decimal("0.18374"), "kW", one.profile[0].at)
    (four,) = telegrams(read(AnyFramer(), [(captures / "iec62056-21/P01_data_4.txt").read_bytes()]))
    stamps = [row.at.local.strftime("%H%M") for row in four.profile]
    assert stamps == ["1015", "1030", "1045", "1100", "1115", "1130"]
    assert [row.status for row in four.profile] == ["80", "00", "00", "00", "00", "00"]


def test_slices_change_nothing(captures: Path) -> None:
    """Byte by byte and in random slices each capture gives what it gives at once, through all framers at once too."""
    for path in sorted(captures.glob("*/*")):
        data = path.read_bytes()[:8192]
        wire = Wire(path.parent.name)
        for make in (lambda wire=wire: make_framer(wire), AnyFramer):
            framers = [make(), make(), make()]
            whole = shown(read(framers[0], [data]))
            assert shown(read(framers[1], slices(data, len(data)))) == whole, path.name
            assert shown(read(framers[2], [data[i : i + 1] for i in range(len(data))])) == whole, path.name
            assert len({framer.skipped for framer in framers}) == 1


def shown(events: list[Frame | FrameError]) -> list[tuple[Any, ...]]:
    """Events as plain values."""
    return [
        (event.protocol, event.data, event.offset) if isinstance(event, Frame) else (event.reason, event.data)
        for event in events
    ]
