"""The TCP wrapper of DLMS (IEC 62056-47): version, the two ends' ports, and the length of the message behind them."""

from typing import Final

from broker.errors import FrameError
from meters.telegram import Frame, Wire

WRAPPED: Final = b"\x00\x01"
HEAD_BYTES: Final = 8
MAX_MESSAGE_BYTES: Final = 16 * 1024
_PUSHED: Final = frozenset({0x0F, 0xDB, 0xDC})


def unwrapped(data: bytes) -> bytes:
    """The message of one wrapped frame. Raises FrameError where it is shorter than it says."""
    end = HEAD_BYTES + int.from_bytes(data[6:8])
    if len(data) < end or end == HEAD_BYTES:
        raise FrameError("truncated", "the message ends before its last part", offset=len(data))
    return data[HEAD_BYTES:end]


def is_wrapped(data: bytes) -> bool:
    """Whether bytes begin with a wrapped message: version, ports, a length that is there, and a tag that is pushed."""
    if data[:2] != WRAPPED or len(data) <= HEAD_BYTES:
        return False
    return data[HEAD_BYTES] in _PUSHED and len(data) >= HEAD_BYTES + int.from_bytes(data[6:8]) > HEAD_BYTES


class WrapperFramer:
    """Frames of one TCP connection, which loses nothing and keeps the order: what is no head ends it all.

    Holds at most one message of 16 KiB. After a failure all that comes is skipped: connect anew and use another framer.
    """

    def __init__(self) -> None:
        self.protocol = Wire.DLMS
        self.skipped = 0
        self.failed = False
        self._buffer = bytearray()
        self._base = 0

    def feed(self, data: bytes) -> list[Frame | FrameError]:
        """Take any slice of the connection; return what it completed, in order."""
        if self.failed:
            self.skipped += len(data)
            return []
        self._buffer += data
        found: list[Frame | FrameError] = []
        while len(self._buffer) >= HEAD_BYTES and not self.failed:
            end = HEAD_BYTES + int.from_bytes(self._buffer[6:8])
            if self._buffer[:2] != WRAPPED or not HEAD_BYTES < end <= HEAD_BYTES + MAX_MESSAGE_BYTES:
                found.append(self._fail("malformed", "no head of a wrapped message"))
            elif len(self._buffer) < end:
                break
            else:
                found.append(Frame(Wire.DLMS, self._take(end), self._base - end))
        return found

    def finish(self) -> list[Frame | FrameError]:
        """The end of the connection: what is left is torn."""
        return [self._fail("truncated", "the connection ends before the message does")] if self._buffer else []

    def _fail(self, reason: str, detail: str) -> FrameError:
        self.failed = True
        data = self._take(len(self._buffer))
        return FrameError(reason, detail, offset=len(data), data=data)

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._base += count
        return data
