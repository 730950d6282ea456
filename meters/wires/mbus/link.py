"""Link frames of M-Bus (EN 13757-2 5.4): made for a master, and found in any slices of a line's bytes."""

import re
from dataclasses import dataclass
from typing import Final

from broker.errors import FrameError
from meters.telegram import Frame, Wire
from meters.wires.located import Located
from meters.wires.mbus.records import says_more
from meters.wires.merged import ScannerFramer

ACK: Final = 0xE5
SHORT, LONG, STOP = 0x10, 0x68, 0x16
SND_NKE, REQ_UD2, SND_UD, RSP_UD = 0x40, 0x5B, 0x53, 0x08
FCB: Final = 0x20
NETWORK: Final = 0xFD
"""The address of whoever is selected by secondary address."""
SELECT: Final = 0x52
LONG_HEADER: Final = 0x72
MAX_BYTES: Final = 261
MAX_PARTS: Final = 16
"""Telegrams that one reply may have (more records follow); nobody sends more."""
# L twice, RSP_UD with any of its flags, and what a meter's reply may be (EN 13757-3 5.1): error, data, no header
_HEAD: Final = re.compile(rb"\x68(.)\1\x68[\x08\x18\x28\x38].[\x70-\x73\x76-\x78\x7a]", re.DOTALL)
_HEAD_BYTES: Final = 7


def short(control: int, address: int) -> bytes:
    """A frame of a control and an address, as a master asks."""
    return bytes((SHORT, control, address, (control + address) & 0xFF, STOP))


def long(control: int, address: int, information: int, user: bytes = b"") -> bytes:
    """A frame with data; a control frame where there is none."""
    body = bytes((control, address, information)) + user
    return bytes((LONG, len(body), len(body), LONG)) + body + bytes((sum(body) & 0xFF, STOP))


def select(identification: str, maker: int = 0xFFFF, version: int = 0xFF, medium: int = 0xFF) -> bytes:
    """The selection of a secondary address: eight digits, F for any digit, all ones for any maker, version, medium."""
    octets = bytes.fromhex(identification)[::-1] + maker.to_bytes(2, "little") + bytes((version, medium))
    return long(SND_UD, NETWORK, SELECT, octets)


@dataclass(frozen=True, slots=True)
class Reply:
    """A long frame whose check holds: control, address, what the data are (CI), and the data."""

    control: int
    address: int
    information: int
    user: bytes


def parts(data: bytes) -> list[Reply]:
    """The long frames that stand one behind the other in a Frame's bytes. Raises FrameError for anything else."""
    found, at = [], 0
    while at < len(data):
        end = at + data[at + 1] + 6 if len(data) > at + 5 else 0
        if not end or len(data) < end or not sound(data[at:end]):
            raise FrameError("malformed", "no M-Bus frame", offset=at, data=data)
        body = data[at + 4 : end - 2]
        found.append(Reply(body[0], body[1], body[2], body[3:]))
        at = end
    return found


def sound(frame: bytes) -> bool:
    """Whether the marks, both lengths and the sum of a long frame fit."""
    head = len(frame) > 8 and frame[0] == LONG and frame[3] == LONG and frame[1] == frame[2] == len(frame) - 6
    return head and frame[-1] == STOP and sum(frame[4:-2]) & 0xFF == frame[-2]


def begins_reply(data: bytes | bytearray) -> bool:
    """Whether the bytes begin with the whole head of a meter's reply."""
    return _HEAD.match(data) is not None


class MbusScanner:
    """Finds replies of meters in any slices of a stream; holds at most MAX_PARTS frames of 261 octets.

    A reply that says that more records follow waits for the frame right behind it, and is given with it as one. Every
    byte is in one frame, in one failure, or counted in `skipped`.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._buffer = bytearray()
        self._base = 0
        self._whole = 0
        self._parts = 0
        self._found: list[Located] = []

    @property
    def pending(self) -> int:
        """How many bytes wait for more."""
        return len(self._buffer)

    @property
    def start(self) -> int:
        """The place in the stream of the first byte that waits for more."""
        return self._base

    @property
    def inside(self) -> bool:
        """Whether a reply has begun, or may have, and its end has not come."""
        return bool(self._buffer)

    @property
    def _sure(self) -> bool:
        """Whether the whole head of a reply has been seen."""
        return begins_reply(self._buffer)

    def feed(self, data: bytes) -> list[Located]:
        """Take any slice; return what it completed, in order."""
        self._buffer += data
        while self._buffer and self._step():
            pass
        return self._take()

    def abandon(self, place: int) -> list[Located]:
        """Give up an unfinished frame before `place` in the stream, where another protocol's frame ends."""
        end = min(place - self._base, len(self._buffer))
        if self._whole:
            self._emit()
        elif end > 0 and self._sure:
            self._fail("truncated", "a frame of another protocol ends inside", end)
        elif end > 0:
            self._skip(end)
        while self._buffer and self._step():
            pass
        return self._take()

    def finish(self) -> list[Located]:
        """End of input or long silence: what is left is torn, or a reply whose other parts never came."""
        while self._buffer:
            if self._whole:
                self._emit()
            elif self._sure:
                self._fail("truncated", "the frame ends before its length says", len(self._buffer))
            else:
                self._skip(1)
            while self._buffer and self._step():
                pass
        return self._take()

    def _take(self) -> list[Located]:
        found, self._found = self._found, []
        return found

    def _step(self) -> bool:
        at = self._whole
        if at == 0:
            start = self._buffer.find(LONG)
            self._skip(len(self._buffer) if start < 0 else start)
        rest = self._buffer[at:]
        if len(rest) < _HEAD_BYTES and _may_begin(rest):
            return False
        if not begins_reply(rest):
            self._emit() if at else self._skip(1)
            return True
        end = rest[1] + 6
        if len(rest) < end:
            return False
        frame = bytes(rest[:end])
        if at and not (sound(frame) and _same_meter(self._buffer, frame)):
            self._emit()
            return True
        if not sound(frame):
            self._fail("checksum_mismatch", "the frame's sum or its end mark does not fit", end)
            return True
        self._whole = at + end
        self._parts += 1
        if not more_follows(frame) or self._parts == MAX_PARTS:
            self._emit()
        return True

    def _emit(self) -> None:
        end = self._whole
        self._found.append(
            Located(self._base, self._base + end, Frame(Wire.MBUS, bytes(self._buffer[:end]), self._base))
        )
        self._drop(end)

    def _fail(self, reason: str, detail: str, end: int) -> None:
        # what follows a damaged head may hold the next frame: only what precedes that is given up
        again = next((match.start() for match in _HEAD.finditer(self._buffer, 1, end)), end)
        error = FrameError(reason, detail, offset=again, data=bytes(self._buffer[:again]))
        self._found.append(Located(self._base, self._base + again, error))
        self._drop(again)

    def _skip(self, count: int) -> None:
        self.skipped += count
        self._drop(count)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._base += count
        self._whole = self._parts = 0


def _same_meter(before: bytearray, frame: bytes) -> bool:
    """Whether a frame may be the next part of a reply: the address, and the head up to the medium."""
    same_head = frame[6] != LONG_HEADER or frame[7:15] == before[7:15]
    return frame[5:7] == before[5:7] and same_head


def _may_begin(data: bytearray) -> bool:
    """Whether a head may grow out of less bytes than one has."""
    filled = bytes(data)
    for missing in (b"\x68", filled[1:2] or b"\x03", filled[1:2] or b"\x03", b"\x68", b"\x08", b"\x00", b"\x72")[
        len(filled) :
    ]:
        filled += missing
    return begins_reply(filled)


def more_follows(frame: bytes) -> bool:
    """Whether a sound reply says that more records follow: DIF 1F ends its records (EN 13757-3 6.3.3)."""
    return frame[6] in (0x72, 0x78, 0x7A) and says_more(frame[6], frame[7:-2])


class MbusFramer(ScannerFramer):
    """The framer of an M-Bus line that is listened to, or of bytes that were kept."""

    def __init__(self) -> None:
        super().__init__(Wire.MBUS, MbusScanner())
