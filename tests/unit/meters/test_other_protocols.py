"""Protocols that Wattline does not read: told as what they are, with what they need, and never as noise."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from meters.decode_cli import decode
from meters.encode.p1 import encode_p1
from meters.explain import explain_nothing
from meters.explain_hints import is_other
from meters.other_frames import crc_modbus
from meters.other_protocols import recognise
from meters.sml_transport import crc_x25

KINDS = {
    "dlms-hdlc": "dlms-hdlc",
    "dlms-swiss-push": "dlms-hdlc",
    "dlms-mbus-encrypted": "mbus",
    "mbus": "mbus",
    "modbus": "modbus-rtu",
    "p1-encrypted": "p1-encrypted",
}
"""What the captures of each folder are."""
P1 = encode_p1("ISK5\\2M550T-1012", ["1-3:0.2.8(50)", "1-0:1.8.1(000001.000*kWh)"])


def line_bytes(file: Path) -> bytes:
    """What passed over the line: bytes, or requests and replies in hex."""
    if file.suffix == ".bin":
        return file.read_bytes()
    turns = [line[1:] for line in file.read_text().splitlines() if line[:1] in ("<", ">")]
    return b"".join(bytes.fromhex(re.sub(r"\s", "", turn)) for turn in turns)


def hdlc(body: bytes, *, parted: bool = False) -> bytes:
    """A frame of HDLC with both checks."""
    head = bytes([0xA8 if parted else 0xA0, len(body) + 10, 0x41, 0x08, 0x83, 0x13])
    head += crc_x25(head).to_bytes(2)
    return b"\x7e" + head + body + crc_x25(head + body).to_bytes(2) + b"\x7e"


def mbus(body: bytes) -> bytes:
    """A long frame of M-Bus."""
    return bytes([0x68, len(body), len(body), 0x68]) + body + bytes([sum(body) & 0xFF, 0x16])


def rtu(frame: bytes) -> bytes:
    """A frame of Modbus RTU."""
    return frame + crc_modbus(frame).to_bytes(2, "little")


@pytest.mark.field
@pytest.mark.parametrize(("folder", "name"), KINDS.items())
def test_captures_of_the_field_are_told_as_what_they_are(field: Path, folder: str, name: str) -> None:
    """Each file, by itself and behind a piece of noise; encrypted ones need a key, the others a reader."""
    files = [file for file in sorted((field / folder).iterdir()) if file.suffix in (".bin", ".txt")]
    assert files
    for file in files:
        data = line_bytes(file)
        found = recognise(data)
        assert found is not None, file.name
        assert (found.name, found.offset) == (name, 0), file.name
        ciphered = "encrypted" in folder or "encrypted_valid" in file.name.replace("unencrypted", "plain")
        assert ("the meter's key" in found.text) == ciphered, file.name
        assert ("does not read yet" in found.text) == (name != "p1-encrypted"), file.name
        behind = recognise(b"\x00\xfe\x31" + data)
        assert behind is not None
        assert behind.offset == 3
        (hint,) = explain_nothing(data).hints
        assert is_other(hint)


@pytest.mark.field
def test_the_cases_of_the_field_give_no_reading_and_a_hint(field: Path) -> None:
    """`wattline decode` says what they are on both ways out, and not that the baud rate is wrong."""
    case = json.loads((field / "cases" / "hint-other-protocol.json").read_text())
    for name, said in zip(case["files"], ("encrypted P1", "DLMS/COSEM over HDLC"), strict=True):
        file = str(field / "cases" / name)
        plain, lines = (CliRunner().invoke(decode, [*options, file]) for options in ((), ("--json",)))
        for result in (plain, lines):
            assert result.exit_code == 1
            assert said in result.stdout
            assert said in result.stderr
            assert "baud" not in result.output
        assert json.loads(lines.stdout)["summary"]["decoded"] == 0


@pytest.mark.captures
def test_no_capture_of_a_meter_that_is_read_is_taken_for_another_protocol(captures: Path) -> None:
    """Telegrams of P1, SML and IEC 62056-21 are none of these."""
    files = [file for file in sorted(captures.glob("*/*")) if file.is_file()]
    assert len(files) > 40
    assert [file.name for file in files if recognise(file.read_bytes()) is not None] == []


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (hdlc(b"\xe6\xe7\x00\x0f" + bytes(20)), "dlms-hdlc", "HDLC (1 frame "),
        (hdlc(b"\xe6\xe7\x00\xdb\x08" + bytes(20)), "dlms-hdlc", "the meter's key"),
        (hdlc(b"\xe6\xe7\x00\xe0\x40\x00\x01\x00\x00\x08\xdb\x08" + bytes(8)), "dlms-hdlc", "the meter's key"),
        (hdlc(b"\xe6\xe7\x00\x0f" + bytes(20), parted=True) * 2, "dlms-hdlc", "in segments (2 frames"),
        (hdlc(b"\xe6\xe7\x00\x0f" + bytes(90))[:60], "dlms-hdlc", "HDLC"),
        (mbus(b"\x53\xff\x00\x01\x67\xdb\x08" + bytes(20)), "mbus", "the meter's key"),
        (mbus(b"\x08\x01\x72\x78\x56\x34\x12\x24\x40\x01\x07" + bytes(8)), "mbus", "a reply of PAD 12345678, water"),
        (mbus(b"\x08\x01\x78\x00"), "mbus", "a master must ask"),
        (b"\x00\x01\x00\x01\x00\x10\x00\x05\x0f\x00\x00\x00\x00", "dlms-wrapper", "does not read yet"),
        (b"\x00\x01\x00\x01\x00\x10\x00\x05\xdb\x00\x00\x00\x00", "dlms-wrapper", "the meter's key"),
        (b"\xdb\x08SAGgp\x00\x02\xf6\x82\x01\x00\x30" + bytes(40), "p1-encrypted", "system title SAG67700002f6"),
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


@pytest.mark.parametrize("place", [1, 4, 20, -2])
def test_a_check_that_does_not_hold_tells_nothing(place: int) -> None:
    """One octet changed in the only frame: it may be anything, but for HDLC whose head has a check of its own."""
    for whole in (hdlc(b"\xe6\xe7\x00\x0f" + bytes(20)), mbus(b"\x08\x01\x72" + bytes(24))):
        damaged = bytearray(whole)
        damaged[place] ^= 0x44
        found = recognise(bytes(damaged))
        if whole[0] == 0x7E and place not in (1, 4):
            assert found is not None
            assert "(1 frame, by its head: its end is torn or damaged)" in found.text
        else:
            assert found is None


@pytest.mark.parametrize("size", [255, 256, 257, 300, 600])
@pytest.mark.parametrize("tag", [b"\xdb\x08", b"\x0f\x00"])
def test_a_long_frame_of_m_bus_whose_length_wraps(size: int, tag: bytes) -> None:
    """Meters in Austria state 0x01 for 257 octets; the next frame is found too, and the key is asked for."""
    body = b"\x53\xff\x00\x01\x67" + tag + bytes(size - 7)
    frame = b"\x68" + bytes([size & 0xFF] * 2) + b"\x68" + body + bytes([sum(body) & 0xFF, 0x16])
    found = recognise(b"\x00" + frame + mbus(b"\x53\xff\x11\x01\x67" + bytes(20)))
    assert found is not None
    assert (found.name, found.offset, found.frames) == ("mbus", 1, 2)
    assert ("the meter's key" in found.text) == (tag[0] == 0xDB)


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


def test_a_dlms_message_without_its_framing() -> None:
    """As logs of gateways show it: it is told as DLMS, not as a wrong baud rate."""
    message = bytes.fromhex("0f00011e700c07e90c03030f0a1400ffc40002210908383932") + bytes(range(160, 220))
    for data in (message, b"\xe6\xe7\x00" + message):
        found = recognise(data)
        assert found is not None
        assert (found.name, found.frames) == ("dlms", 1)
        (hint,) = explain_nothing(data).hints
        assert is_other(hint)


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
    result = CliRunner().invoke(decode, ["--hex", (P1 + mbus(b"\x08\x01\x78\x00")).hex()])
    assert result.exit_code == 0
    assert "M-Bus" not in result.output
