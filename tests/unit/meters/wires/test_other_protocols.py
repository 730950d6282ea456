"""What no reader takes: told as what it is, with what it needs, and never as noise."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from meters.explain.cli import decode
from meters.explain.explanation import explain_nothing
from meters.explain.hints import is_other
from meters.wires.crc16 import MODBUS
from meters.wires.encode.p1 import encode_p1
from meters.wires.other_protocols import recognise

READ = ("dlms-hdlc", "dlms-swiss-push", "dlms-mbus-encrypted", "mbus")
"""Folders of captures that are read, or need nothing but a key: they are no other protocol."""
P1 = encode_p1("ISK5\\2M550T-1012", ["1-3:0.2.8(50)", "1-0:1.8.1(000001.000*kWh)"])


def mbus(body: bytes) -> bytes:
    """A long frame of M-Bus."""
    return bytes([0x68, len(body), len(body), 0x68]) + body + bytes([sum(body) & 0xFF, 0x16])


SELECTION = mbus(b"\x53\xfd\x52\x78\x56\x34\x12\xff\xff\xff\xff")
"""What a master sends; the meter's reply is read, what is sent to it is not."""


def rtu(frame: bytes) -> bytes:
    """A frame of Modbus RTU."""
    return frame + MODBUS.of(frame).to_bytes(2, "little")


@pytest.mark.field
@pytest.mark.parametrize("folder", READ)
def test_what_is_read_is_no_other_protocol(field: Path, folder: str) -> None:
    """Nor is what needs a key."""
    files = sorted((field / folder).glob("*.bin"))
    assert files
    assert [file.name for file in files if recognise(file.read_bytes()) is not None] == []


@pytest.mark.field
def test_an_encrypted_telegram_of_the_field_gives_no_reading_and_a_hint(field: Path) -> None:
    """`wattline decode` says what it is on both ways out, and not that the baud rate is wrong."""
    case = json.loads((field / "cases" / "hint-other-protocol.json").read_text())
    encrypted, hdlc = (str(field / "cases" / name) for name in case["files"])
    plain, lines = (CliRunner().invoke(decode, [*options, encrypted]) for options in ((), ("--json",)))
    for result in (plain, lines):
        assert result.exit_code == 1
        assert "encrypted P1" in result.stdout
        assert "encrypted P1" in result.stderr
        assert "baud" not in result.output
    assert json.loads(lines.stdout.splitlines()[-1])["hints"][0]["cause"] == "key_needed"
    # the other one is read today
    assert CliRunner().invoke(decode, [hdlc]).exit_code == 0


@pytest.mark.captures
def test_no_capture_of_a_meter_that_is_read_is_taken_for_another_protocol(captures: Path) -> None:
    """Telegrams of P1, SML and IEC 62056-21 are none of these."""
    files = [file for file in sorted(captures.glob("*/*")) if file.is_file()]
    assert len(files) > 40
    assert [file.name for file in files if recognise(file.read_bytes()) is not None] == []


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (SELECTION, "mbus", "M-Bus (1 frame with the right checksum): no meter's reply"),
        (mbus(b"\x08\x01\x72" + bytes(20)) + mbus(b"\x53\x01\x50") + SELECTION, "mbus", "M-Bus (2 frames "),
        (rtu(b"\x01\x03\x04\x00\x00\x00\x00"), "modbus-rtu", "(1 frame "),
        (rtu(b"\x01\x83\x02"), "modbus-rtu", "(1 frame "),
        (b"\x55" + rtu(b"\x01\x10\x00\x01\x00\x02\x04\x00\x0a\x01\x02") + rtu(b"\x01\x10\x00\x01\x00\x02"),
         "modbus-rtu", "(2 frames "),
    ],
)  # fmt: skip
def test_what_is_told(data: bytes, name: str, words: str) -> None:
    """The name, how many frames, and what reading it needs."""
    found = recognise(data)
    assert found is not None
    assert found.name == name
    assert words in found.text
    assert found.data in data


@pytest.mark.parametrize("data", [SELECTION, rtu(b"\x01\x83\x02")])
def test_an_explanation_of_nothing_but_such_frames_says_so(data: bytes) -> None:
    """One hint, by which `wattline decode` knows that the bytes are out of reach."""
    (hint,) = explain_nothing(data).hints
    assert is_other(hint)


@pytest.mark.parametrize("place", [1, 4, 20, -2])
def test_a_check_that_does_not_hold_tells_nothing(place: int) -> None:
    """One octet changed in the only frame: it may be anything."""
    damaged = bytearray(mbus(b"\x53\xfd\x51" + bytes(24)))
    damaged[place] ^= 0x44
    assert recognise(bytes(damaged)) is None


def test_an_encrypted_telegram_behind_a_header_of_its_own() -> None:
    """Elgama and Kaifa in Poland: the header in clear, no system title, then the length; it is no noise."""
    secret = bytes(range(128, 256)) * 4
    data = b"/EGM5G35\r\n\r\n\x00\x82" + (len(secret) + 5).to_bytes(2) + b"\x30\x00\x00\x00\x00" + secret + b"!FE0C\r\n"
    found = recognise(b"\x1f" + data * 2)
    assert found is not None
    assert (found.name, found.offset, found.frames) == ("p1-encrypted", 1, 2)
    assert "/EGM" in found.text
    result = CliRunner().invoke(decode, ["--hex", data.hex()])
    assert result.exit_code == 1
    assert "an encrypted P1 telegram" in result.output
    assert "baud" not in result.output


def test_a_system_title_that_does_not_begin_with_letters() -> None:
    """The next telegram or the end must follow where the length says; else the octets may be chance."""
    one = bytes.fromhex("db08001122334455667782001930") + bytes(24)
    for data in (one, one * 3):
        found = recognise(data)
        assert found is not None
        assert found.name == "p1-encrypted"
    assert recognise(one + b"\x01\x02\x03") is None


def test_two_frames_that_only_chance_made_are_no_modbus() -> None:
    """Noise that comes again with each telegram has the same chance frame in it again; a reply follows its request."""
    noise = bytes(range(200, 250)) + rtu(b"\x01\x83\x02") + bytes(range(150, 190))
    assert recognise(noise * 20) is None


@given(st.binary(max_size=2000))
@settings(max_examples=200, deadline=None)
def test_noise_is_none_of_them(data: bytes) -> None:
    """Random bytes are not taken for a protocol, nor does anything in them raise."""
    assert recognise(data) is None


def test_a_readable_telegram_beside_it_is_what_counts() -> None:
    """Where something can be read, `wattline decode` says nothing of other protocols."""
    result = CliRunner().invoke(decode, ["--hex", (P1 + SELECTION).hex()])
    assert result.exit_code == 0
    assert "M-Bus" not in result.output
