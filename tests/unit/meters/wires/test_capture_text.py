"""Captures in every dress that people keep them in: each is undressed to the same bytes, and what is no dump stays."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import ContractError
from meters.wires.capture_text import from_hex, undress

DATA = bytes.fromhex("1b1b1b1b0101010176050000000162006200726301017601") + b"ab cd  ef|12" + bytes(range(40))


def rows(data: bytes, layout: str) -> str:
    """A dump of 16 octets a row as the tools print it."""
    lines = []
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        if layout == "hexdump -C":
            lines.append(f"{start:08x}  {row[:8].hex(' '):<23}  {row[8:].hex(' '):<23}  |{shown}|")
        elif layout == "xxd":
            pairs = " ".join(row[at : at + 2].hex() for at in range(0, len(row), 2))
            lines.append(f"{start:08x}: {pairs:<39}  {shown}")
        elif layout == "hexdump":
            words = " ".join(row[at : at + 2][::-1].hex().rjust(4, "0") for at in range(0, len(row), 2))
            lines.append(f"{start:07x} {words}")
        else:
            lines.append(f"{start:07o} {row.hex(' ')}")
    tail = {"hexdump -C": f"{len(data):08x}", "hexdump": f"{len(data):07x}", "od": f"{len(data):07o}"}.get(layout)
    return "\n".join([*lines, *([tail] if tail else [])]) + "\n"


def dresses(data: bytes) -> dict[str, str]:
    octets = [f"{byte:02x}" for byte in data]
    return {
        "plain": data.hex(),
        "0x at the front": "0x" + data.hex(),
        "upper case with blanks": data.hex(" ").upper(),
        "colons": data.hex(":"),
        "dashes": data.hex("-"),
        "commas": ",".join(octets),
        "lines": "\n".join(data.hex()[at : at + 32] for at in range(0, 2 * len(data), 32)),
        "0x each": " ".join(f"0x{octet}" for octet in octets),
        "h behind each": " ".join(f"{octet.upper()}h" for octet in octets),
        "C array": "const uint8_t frame[300] = {  // from the meter\n  "
        + ", ".join(f"0x{octet}" for octet in octets)
        + " /* end */\n};\n",
        "escapes": 'b"' + "".join(f"\\x{octet}" for octet in octets) + '"',
        "bytes.fromhex": f"bytes.fromhex('{data.hex()}')",
        "JSON strings": "[" + ", ".join(f'"{octet}"' for octet in octets) + "]",
        "hexdump -C": rows(data, "hexdump -C"),
        "xxd": rows(data, "xxd"),
        "hexdump": rows(data, "hexdump"),
        "od -t x1": rows(data, "od"),
        "base64": base64.b64encode(data).decode(),
        "base64 in lines": base64.encodebytes(data).decode(),
        "base64 for addresses": base64.urlsafe_b64encode(data).decode().rstrip("="),
    }


@pytest.mark.parametrize("name", dresses(DATA))
def test_every_dress_gives_the_same_bytes(name: str) -> None:
    """As a file of unknown content, and where a person says that it is hex."""
    text = dresses(DATA)[name]
    assert undress(text.encode()).data == DATA
    assert from_hex(text).data == DATA


@given(st.binary(min_size=48, max_size=200), st.sampled_from([name for name in dresses(DATA) if "base64" not in name]))
def test_any_bytes_come_through_any_hex(data: bytes, name: str) -> None:
    """Whatever the octets look like as characters beside them."""
    assert from_hex(dresses(data)[name]).data == data


def test_a_star_stands_for_lines_like_the_last() -> None:
    """As hexdump without -v leaves out repeated lines."""
    row = "00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |................|\n"
    text = row + "*\n00000030  ff  |.|\n00000031\n"
    assert undress(text.encode()).data == bytes(range(16)) * 3 + b"\xff"


def test_a_dump_whose_offsets_jump_is_no_dump() -> None:
    """A line lost in copying would shift everything: it is not silently joined."""
    lines = rows(DATA, "hexdump -C").splitlines()
    assert undress("\n".join([lines[0], *lines[2:]]).encode()).dress == "raw bytes"
    with pytest.raises(ContractError):
        from_hex("\n".join([lines[0], *lines[2:]]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1b1b1", "an odd number"),
        ("1b 1b zz", "'z' at character 6"),
        ("", "no digits"),
        ("---", "no digits"),
    ],
)
def test_a_slip_is_named(text: str, words: str) -> None:
    """The character that does not belong, or the missing digit."""
    with pytest.raises(ContractError, match=words):
        from_hex(text)


@pytest.mark.parametrize(
    "data", [b"", b"abc", b"12 34", b"/ISK5\\2M\r\n\r\n1-0:1.8.0(1*kWh)\r\n!\r\n", b"1.8.0(00)\r\n"]
)
def test_telegrams_and_a_few_digits_stay_as_they_are(data: bytes) -> None:
    """What is no dump is not guessed at."""
    assert undress(data).data == data


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode())))
def test_no_text_breaks_it(data: bytes) -> None:
    """Any bytes give bytes, any text gives bytes or a ContractError."""
    assert isinstance(undress(data).data, bytes)
    with contextlib.suppress(ContractError):
        assert isinstance(from_hex(data.decode("latin-1")).data, bytes)


@pytest.mark.parametrize("unit", ["=", '""' + " " * 50, "/*", "{", "0x", "\\x", "*\n", "00\n", "# ", "hH", "0000 00\n"])
@pytest.mark.timeout(20)
def test_no_text_keeps_it_busy(unit: str) -> None:
    """A quarter of a megabyte of whatever repeats is dealt with at once."""
    text = "00000000 " + "00 " * 16 + "\n" + unit * (250_000 // len(unit))
    assert undress(text.encode()).data
    assert undress((unit * (250_000 // len(unit)) + "x").encode()).data
