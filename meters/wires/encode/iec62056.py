"""IEC 62056-21 readouts as meters send them (6.3.2 and 6.3.3)."""

from collections.abc import Iterable

from meters.wires.text.checks import block_check


def encode_iec62056(
    lines: Iterable[str], *, identification: str = "", block: bool = True, parity: bool = False, end: str = "!\r\n"
) -> bytes:
    """A data block of its lines, from STX to ETX and check character, after the identification line if there is one.

    `block` False is mode D: identification, empty line, lines, end mark. `parity` puts the even parity bit of 7E1
    into each byte, as some adapters give it.
    """
    body = "".join(f"{line}\r\n" for line in lines).encode("latin-1") + end.encode()
    head = f"/{identification.removeprefix('/')}\r\n".encode("latin-1") if identification else b""
    if block:
        checked = body + b"\x03"
        data = head + b"\x02" + checked + bytes([block_check(checked)])
    else:
        data = head + b"\r\n" + body
    return with_parity(data) if parity else data


def with_parity(data: bytes) -> bytes:
    """Seven-bit characters with an even parity bit on top."""
    return bytes(byte | 0x80 if byte.bit_count() % 2 else byte for byte in data)
