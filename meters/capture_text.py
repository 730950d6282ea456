"""Captured bytes as people keep them: raw, as a terminal log with `<CR><LF>` or `^M` spelled out, or as a hex dump."""

import re
from typing import Final

_NAMES: Final = {b"NUL": 0, b"SOH": 1, b"STX": 2, b"ETX": 3, b"EOT": 4, b"ACK": 6, b"LF": 10, b"CR": 13, b"NAK": 21}
_NAMED: Final = re.compile(rb"<(" + b"|".join(_NAMES) + rb")>")
_CARET_LINE: Final = re.compile(rb"\^M\r?\n")
_CARET: Final = re.compile(rb"\^([ABCDF])")
_BINARY: Final = re.compile(rb"[^\t\n\r -~]")
_HEX: Final = re.compile(rb"[0-9A-Fa-f\s]+")
_LEAST_HEX_DIGITS: Final = 16
"""Fewer digits may be anything; no telegram is so short."""


def unwrap(data: bytes) -> bytes:
    """The bytes of the line: control characters by name or as ^M put back, a text of hex digits turned to octets."""
    if _NAMED.search(data):
        return _NAMED.sub(lambda name: bytes([_NAMES[name.group(1)]]), data)
    if _CARET_LINE.search(data) and not _BINARY.search(data):
        lines = _CARET_LINE.sub(b"\r\n", data)
        return _CARET.sub(lambda letter: bytes([letter.group(1)[0] - 0x40]), lines)
    if _HEX.fullmatch(data):
        digits = b"".join(data.split())
        if len(digits) >= _LEAST_HEX_DIGITS and len(digits) % 2 == 0:
            return bytes.fromhex(digits.decode())
    return data
