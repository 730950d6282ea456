"""Finds requests with their replies on a Modbus line that somebody else polls, or in bytes that were kept."""

import re
from typing import Final

from meters.telegram import Frame, Wire
from meters.wires.located import Located
from meters.wires.merged import ScannerFramer
from meters.wires.modbus.frames import MAX_RTU_BYTES, REQUEST, Read, crc, reply_length, request_at, request_bytes

MAX_EXCHANGES: Final = 64
_LONGEST_REQUEST: Final = 8
_PART: Final = re.compile(
    rb"[\x01-\xf7](?:[\x03\x04](?:.(?:.(?:\x00(?:[\x01-\x7d].?)?)?)?)?|\x2b(?:\x0e(?:[\x01-\x04].{0,2})?)?)?\Z",
    re.DOTALL,
)
"""The beginning of a request, as far as it came."""


class ModbusScanner:
    """Finds exchanges in any slices of a stream: a request and the reply right behind it, both with right CRCs.

    Exchanges of one unit that follow one another are one frame, until a register is asked for again. Two CRCs and a
    reply of the right length make it sure: 16 bits alone would fit noise by chance. What has no reply is skipped.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._buffer = bytearray()
        self._base = 0
        self._found: list[Located] = []
        self._begin()

    @property
    def pending(self) -> int:
        """How many bytes wait for more; none before a request's CRC, for any octets may begin one."""
        return len(self._buffer) if self.inside else 0

    @property
    def start(self) -> int:
        """The place in the stream of the first byte that waits for more."""
        return self._base

    @property
    def inside(self) -> bool:
        """Whether an exchange, or a request whose CRC fits, waits for what may follow."""
        return bool(self._whole) or request_at(self._buffer, 0) is not None

    def feed(self, data: bytes) -> list[Located]:
        """Take any slice; return what it completed, in order."""
        self._buffer += data
        while self._buffer and self._step():
            pass
        return self._take()

    def abandon(self, place: int) -> list[Located]:
        """Give up what waits before `place` in the stream, where another protocol's frame ends."""
        if self._whole:
            self._emit()
        self._skip(max(0, min(place - self._base, len(self._buffer))))
        while self._buffer and self._step():
            pass
        return self._take()

    def finish(self) -> list[Located]:
        """End of input or long silence: what was exchanged is a frame."""
        while self._buffer:
            if self._whole:
                self._emit()
            else:
                self._skip(1)
            while self._buffer and self._step():
                pass
        return self._take()

    def _begin(self) -> None:
        self._whole = 0
        self._asked: set[Read] = set()
        self._unit = 0

    def _take(self) -> list[Located]:
        found, self._found = self._found, []
        return found

    def _step(self) -> bool:
        if not self._whole:
            match = REQUEST.search(self._buffer)
            # what is too short for a request yet may become one
            part = match or _PART.search(self._buffer, max(0, len(self._buffer) - _LONGEST_REQUEST + 1))
            self._skip(part.start() if part else len(self._buffer))
            if match is None:
                return False
        at = self._whole
        asked = request_at(self._buffer, at)
        if asked is None:
            if at and len(self._buffer) < at + _LONGEST_REQUEST:
                return False
            return self._give_up()
        return self._reply(at, *asked)

    def _reply(self, at: int, unit: int, read: Read) -> bool:
        if at and (unit != self._unit or read in self._asked or len(self._asked) == MAX_EXCHANGES):
            return self._give_up()
        start = at + request_bytes(read)
        heard = bytes(self._buffer[start : start + MAX_RTU_BYTES])
        length = reply_length(read, heard)
        if heard[:1] not in (b"", bytes((unit,))) or length < 0:
            return self._give_up()
        if length == 0 or len(heard) < length:
            return False
        if crc(heard[:length]):
            return self._give_up()
        self._unit = unit
        self._asked.add(read)
        self._whole = start + length
        return True

    def _give_up(self) -> bool:
        """What begins behind the exchanges is none of theirs; without any, no exchange begins here."""
        if self._whole:
            self._emit()
        else:
            self._skip(1)
        return True

    def _emit(self) -> None:
        end = self._whole
        frame = Frame(Wire.MODBUS, bytes(self._buffer[:end]), self._base)
        self._found.append(Located(self._base, self._base + end, frame))
        self._drop(end)

    def _skip(self, count: int) -> None:
        self.skipped += count
        self._drop(count)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._base += count
        self._begin()


class ModbusFramer(ScannerFramer):
    """The framer of bytes that were kept, or of a line that another master polls."""

    def __init__(self) -> None:
        super().__init__(Wire.MODBUS, ModbusScanner())
