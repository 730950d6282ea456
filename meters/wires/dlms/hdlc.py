"""Frames of HDLC, frame format type 3 (IEC 62056-46 6.4), and the DLMS message that segments and blocks carry."""

from typing import Final

from broker.errors import FrameError
from meters.wires.dlms.units import NotAUnitError, Unit, block_lost, length_of
from meters.wires.sml_transport import crc_x25

FLAG: Final = 0x7E
GENERAL_BLOCK: Final = 0xE0
"""The tag of general-block-transfer (IEC 62056-5-3, 7.3.13)."""
MAX_MESSAGE_BYTES: Final = 64 * 1024
_LLC: Final = (b"\xe6\xe7\x00", b"\xe6\xe6\x00")
_MESSAGES: Final = frozenset({0x0F, 0xC2, 0xDB, 0xDC, 0xDD, GENERAL_BLOCK})
"""Tags that a push begins with: some meters leave the LLC out."""
_LEAST: Final = 7
_MOST_HEAD: Final = 13
_SEGMENTED: Final = 0x08
_LAST_BLOCK: Final = 0x80


def next_unit(buffer: bytes | bytearray, at: int, *, final: bool) -> Unit | None:
    """The frame whose flag, or first octet behind a flag that two frames share, stands here; None where it goes on.

    `final` takes a frame whose closing flag does not come any more. Raises NotAUnitError where no sound head stands
    here, and FrameError where the frame's own check fails, with the place behind what is lost.
    """
    start = at + 1 if buffer[at] == FLAG else at
    head = _head(buffer, start)
    if head is None:
        return None
    end = start + ((buffer[start] & 0x07) << 8 | buffer[start + 1])
    if len(buffer) < end or (len(buffer) == end and not final):
        return None
    frame = bytes(buffer[start:end])
    if crc_x25(frame[:-2]) != int.from_bytes(frame[-2:]):
        raise FrameError("crc_mismatch", "the check sequence of a frame does not fit", offset=end)
    closed = end + 1 if buffer[end : end + 1] == bytes((FLAG,)) else end
    information = frame[head + 2 : -2] if len(frame) > head + 2 else b""
    return Unit(closed, information, start + head + 2, more=bool(frame[0] & _SEGMENTED))


def _head(buffer: bytes | bytearray, start: int) -> int | None:
    """The length of format, addresses and control, whose check is right; None where more octets are needed."""
    known = buffer[start : start + _MOST_HEAD]
    if known and known[0] & 0xF0 != 0xA0:
        raise NotAUnitError
    if len(known) < _LEAST + 2:
        return None
    at = 2
    for _ in range(2):
        size = next((n for n in (1, 2, 4) if at + n <= len(known) and known[at + n - 1] & 1), 0)
        if not size:
            if len(known) < _MOST_HEAD:
                return None
            raise NotAUnitError
        at += size
    head = at + 1
    if len(known) < head + 2:
        return None
    length = (known[0] & 0x07) << 8 | known[1]
    if length < head + 2 or crc_x25(bytes(known[:head])) != int.from_bytes(known[head : head + 2]):
        raise NotAUnitError
    return head


class HdlcMessage:
    """One DLMS message put together from frames: HDLC segments first, then the blocks that they carry."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, int]] = []
        """Where each piece of the message begins, in the message and in what the frames were read from."""
        self._segments = bytearray()
        self._segment_pieces: list[tuple[int, int]] = []
        self._in_segments = False
        self._message = bytearray()
        self._block = 0
        self._last = b""

    def take(self, unit: Unit) -> bytes | None:
        """Take a frame; the message once it is whole.

        Raises NotAUnitError where the frame belongs to no message that has begun, or begins another one, and
        FrameError where a part is missing.
        """
        payload, place = unit.payload, unit.payload_at
        begins = payload.startswith(_LLC)
        if begins and self._in_segments:
            raise NotAUnitError
        if not self._in_segments and not begins and (payload[:1] or b"\x00")[0] not in _MESSAGES:
            raise NotAUnitError
        if begins:
            payload, place = payload[len(_LLC[0]) :], place + len(_LLC[0])
        if len(self._segments) + len(self._message) + len(payload) > MAX_MESSAGE_BYTES:
            raise FrameError("too_long", f"a message of more than {MAX_MESSAGE_BYTES} bytes")
        self._segment_pieces.append((len(self._segments), place))
        self._segments += payload
        self._in_segments = unit.more
        if unit.more:
            return None
        data, pieces = bytes(self._segments), self._segment_pieces
        self._segments, self._segment_pieces = bytearray(), []
        if data[:1] == bytes((GENERAL_BLOCK,)):
            return self._take_block(data, pieces)
        if self._block:
            raise NotAUnitError
        self.pieces = pieces
        return data

    def _take_block(self, data: bytes, pieces: list[tuple[int, int]]) -> bytes | None:
        """general-block-transfer: control, number, number acknowledged, then octets with their length."""
        number = int.from_bytes(data[2:4])
        length, at = length_of(data, 6)
        if len(data) < at + length:
            raise FrameError("truncated", f"block {number} is shorter than it says")
        block = data[at : at + length]
        if number == 1 and self._block and block != self._last:
            raise NotAUnitError
        if number == self._block and block == self._last:
            return None
        if number != self._block + 1:
            if not self._block:
                raise NotAUnitError
            raise block_lost(self._block + 1, number)
        self.pieces += [
            (len(self._message) + max(0, start - at), place + max(0, at - start)) for start, place in pieces
        ]
        self._block, self._last = number, block
        self._message += block
        return bytes(self._message) if data[1] & _LAST_BLOCK else None
