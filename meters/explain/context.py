"""The line of text or the row of octets around a byte, with the column of a caret."""

from typing import Final

from meters.explain.types import Around

ROW: Final = 16
MAX_LINE: Final = 100
_PRINTABLE_SHARE: Final = 0.85


def is_text(data: bytes) -> bool:
    """Tell text with a few odd bytes from binary."""
    if not data:
        return False
    fine = sum(0x20 <= byte < 0x7F or byte in b"\r\n\t\x02\x03" for byte in data[:4096])
    return fine >= _PRINTABLE_SHARE * min(len(data), 4096)


def around(data: bytes, place: int, *, seven_bits: bool = False) -> Around:
    """What stands around a byte: its line where the bytes are text (`seven_bits`: less parity), else a row of hex."""
    place = max(0, min(place, len(data)))
    near = data[max(0, place - 256) : place + 256]
    if is_text(bytes(byte & 0x7F for byte in near) if seven_bits else near):
        return _line(data, place, seven_bits=seven_bits)
    start = max(0, min(place, len(data) - 1) // ROW * ROW)
    row = data[start : start + ROW]
    head = f"{start:06x}  "
    return Around(start, head + row.hex(" "), len(head) + 3 * (place - start))


def _line(data: bytes, place: int, *, seven_bits: bool) -> Around:
    # A caret at a line's end, or at the end of all, belongs to the line before.
    while place == len(data) and place > 0 and data[place - 1] in b"\r\n":
        data, place = data[:-1], place - 1
    start = max(data.rfind(b"\n", 0, place), data.rfind(b"\r", 0, max(0, place - 1))) + 1
    start = max(start, place - MAX_LINE + 20)
    ends = [end for end in (data.find(b"\n", place), data.find(b"\r", place)) if end >= 0]
    end = min([*ends, len(data), start + MAX_LINE])
    line = "".join(_shown(byte & 0x7F if seven_bits else byte) for byte in data[start : max(end, place)])
    return Around(start, line, place - start)


def _shown(byte: int) -> str:
    """One column for each byte: control characters as their pictures, others than ASCII as a replacement mark."""
    if byte < 0x20:
        return chr(0x2400 + byte)
    return chr(byte) if byte < 0x7F else "␡" if byte == 0x7F else "�"
