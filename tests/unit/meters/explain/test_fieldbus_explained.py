"""M-Bus and Modbus explained: each record and register with its place and fate, every check, and what damage leaves."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from meters.explain.cli import decode
from meters.explain.lines import Decoding, Found
from meters.specs.catalogue import catalogue
from meters.wires.encode.mbus import MbusValue, encode_mbus
from meters.wires.encode.modbus import Bank, octets
from meters.wires.modbus.frames import Read

HEAT = encode_mbus(
    "12345678", [MbusValue("04 06", 4711), MbusValue("14 2d", 55), MbusValue("0a 5a", 713)], medium=4, more=True
)
MORE = encode_mbus("12345678", [MbusValue("02 27", 99)], medium=4, access=2)


def explained(data: bytes) -> Found:
    (found,) = Decoding(catalogue(), explaining="all").found(data)
    return found


def test_a_reply_in_two_frames_is_walked_record_by_record() -> None:
    """Offsets count from the first byte of all, over the second frame's head; both sums are named."""
    found = explained(b"\x00" + HEAT + MORE)
    assert found.explained is not None
    reading = found.explained.reading
    assert reading is not None
    assert [check.holds for check in found.explained.checks] == [True, True]
    assert "2 frames" in found.explained.framing
    steps = {step.records[0].address: (step.offset, step.raw, step.became[0]) for step in reading.steps}
    assert steps["6-0:1.0.0"] == (20, "04 06 67 12 00 00", "reading 6-0:1.0.0 = 4711 kWh")
    assert steps["power:max"][2] == "not mapped by the spec"
    assert steps["operating-time"][:2] == (1 + len(HEAT) + 19, "02 27 63 00")


def test_a_wrong_sum_is_named_with_what_the_records_say() -> None:
    """The place of the sum, stated and computed; whole records are shown as read, and none of them is a reading."""
    damaged = bytearray(MORE)
    damaged[-2] ^= 1
    found = explained(bytes(damaged))
    assert str(found.line["error"]).startswith("checksum_mismatch")
    assert found.line["protocol"] == "mbus"
    assert found.explained is not None
    assert found.explained.fault is not None
    assert found.explained.fault.offset == len(MORE) - 2
    assert found.explained.reading is not None
    assert [step.records[0].address for step in found.explained.reading.steps] == ["operating-time"]


def test_registers_are_walked_where_their_octets_stand() -> None:
    """By the spec's map, not by whole replies; a refused read is a hint."""
    bank = Bank(1)
    common = b"SunS" + octets(1, "uint16") + octets(66, "uint16")
    common += b"".join(
        octets(text, "", registers=size) for text, size in (("Acme", 16), ("M", 16), ("", 16), ("7", 16))
    )
    bank.put(3, 40000, common + bytes(4))
    bank.put(3, 40070, octets(213, "uint16") + octets(124, "uint16") + bytes(2 * 124))
    bank.put(3, 40070 + 68, octets(12345678.0, "float32"))
    data = bank.exchanged([Read(3, 40000, 70), Read(3, 40070, 2), Read(3, 40098, 50), Read(4, 0, 2)])
    found = explained(data)
    assert found.line["spec"] == "sunspec-meter-float@1"
    assert found.line["values"]["1-0:1.8.0"] == 12345.678
    assert found.explained is not None
    assert all(check.holds for check in found.explained.checks)
    assert any("illegal address" in hint.text for hint in found.explained.hints)
    assert found.explained.reading is not None
    (step,) = [one for one in found.explained.reading.steps if one.records[0].address == "1-0:1.8.0"]
    assert data[step.offset : step.offset + step.length] == octets(12345678.0, "float32")
    assert step.became == ("reading 1-0:1.8.0 = 12345.678 kWh",)


@pytest.mark.field
def test_every_capture_of_the_field_is_explained(field: Path) -> None:
    """`wattline decode --explain` on each: M-Bus gives readings; Modbus needs a product's map, which a spec names."""
    for file in sorted([*(field / "mbus").glob("*.bin"), *(field / "modbus").glob("*.txt")]):
        result = CliRunner().invoke(decode, ["--explain", "--json", str(file)])
        line = json.loads(result.stdout.splitlines()[0])
        assert line["explain"]["trusted"], file.name
        assert all(check["holds"] for check in line["explain"]["checks"])
        assert line["explain"]["walk"], file.name
        assert result.exit_code == (file.suffix == ".txt"), file.name
