"""Ciphered P1 telegrams (Luxembourg's Smarty, Austria, Sweden's option): one DLMS message on the bare line."""

import re
from typing import Final

from broker.errors import FrameError
from meters.wires.dlms.units import NotAUnitError, Unit

START: Final = 0xDB
_HEAD: Final = re.compile(rb"\xdb\x08([A-Za-z]{3}.{5})(?:\x82(..)|\x81(.))[\x10\x20\x30]", re.DOTALL)
_HEAD_BYTES: Final = 14
_TITLE: Final = re.compile(rb"\xdb\x08[A-Za-z]{0,3}")
_LEAST_BYTES, _MOST_BYTES = 32, 8192


def next_unit(buffer: bytes | bytearray, at: int, *, final: bool) -> Unit | None:
    """The message that begins here; None where it goes on. Raises NotAUnitError where none begins here.

    No check covers it but the tag at its end, which wants the key. Where another one with the same title begins
    inside, octets were lost: raises FrameError.
    """
    head = _HEAD.match(buffer, at)
    if head is None:
        start = bytes(buffer[at : at + 5])
        if final or len(buffer) - at >= _HEAD_BYTES or not _TITLE.fullmatch(start.ljust(2, b"\x08")):
            raise NotAUnitError
        return None
    length = int.from_bytes(head[2] or head[3])
    if not _LEAST_BYTES <= length <= _MOST_BYTES:
        raise NotAUnitError
    end = head.end() - 1 + length
    again = buffer.find(b"\xdb\x08" + head[1], at + 1, end)
    if again >= 0:
        raise FrameError("truncated", "a new telegram starts inside", offset=again)
    return Unit(end, bytes(buffer[at:end]), at) if len(buffer) >= end else None


class Alone:
    """A message that is one unit."""

    def __init__(self) -> None:
        self.pieces = [(0, 0)]

    def take(self, unit: Unit) -> bytes | None:
        """The message."""
        return unit.payload
