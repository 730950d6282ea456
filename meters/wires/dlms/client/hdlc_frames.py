"""Single frames of HDLC as client and server send them to one another (IEC 62056-46 6.4): made, and found in a line."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from meters.wires.sml_transport import crc_x25

FLAG: Final = 0x7E
SNRM, UA, DISC, DM, FRMR, UI = 0x93, 0x73, 0x53, 0x1F, 0x97, 0x13
"""Control octets with the poll or final bit set."""
FINAL: Final = 0x10
MAX_INFORMATION: Final = 2030
_FORMAT: Final = 0xA0
_SEGMENTED: Final = 0x0800
_MAX_FRAME_BYTES: Final = 2047


@dataclass(frozen=True, slots=True)
class HdlcFrame:
    """One frame: its control octet, its information, whether more segments follow, and who sent it."""

    control: int
    information: bytes = b""
    more: bool = False
    sender: bytes = b""


def encode_frame(to: bytes, sender: bytes, frame: HdlcFrame) -> bytes:
    """The octets of a frame with its flags."""
    head_bytes = 2 + len(to) + len(sender) + 1
    size = head_bytes + 2 + (len(frame.information) + 2 if frame.information else 0)
    head = (_FORMAT << 8 | (_SEGMENTED if frame.more else 0) | size).to_bytes(2) + to + sender + bytes((frame.control,))
    head += crc_x25(head).to_bytes(2)
    if frame.information:
        head += frame.information
        head += crc_x25(head).to_bytes(2)
    return bytes((FLAG,)) + head + bytes((FLAG,))


def take_frames(buffer: bytearray, to: bytes, senders: Collection[bytes]) -> list[HdlcFrame]:
    """The whole frames to one end from any of others, in order, and taken out of the buffer; noise and echoes are not.

    What may still become a frame stays, 2 KiB at most.
    """
    found: list[HdlcFrame] = []
    at = buffer.find(FLAG)
    while at >= 0:
        start = at + 1
        sender = _sender(buffer, start, to, senders)
        if sender is None:
            break
        end = start + ((buffer[start] & 0x07) << 8 | buffer[start + 1]) if sender else start
        if len(buffer) < end:
            break
        frame = _frame(bytes(buffer[start:end]), len(to), sender) if sender else None
        if frame is not None:
            found.append(frame)
        # a damaged length may hide the next frame, and two frames may share one flag
        at = buffer.find(FLAG, end if frame is not None else start)
    del buffer[: at if at >= 0 else len(buffer)]
    del buffer[: -_MAX_FRAME_BYTES - 2]
    return found


def _sender(buffer: bytearray, start: int, to: bytes, senders: Collection[bytes]) -> bytes | None:
    """Who sent the frame that begins here; b'' where none of theirs does, None where more octets are needed."""
    for sender in senders:
        head = 3 + len(to) + len(sender)
        known = bytes(buffer[start : start + head + 2])
        if known[:1] and known[0] & 0xF0 != _FORMAT:
            return b""
        if len(known) < head + 2:
            return None
        if known[2 : head - 1] == to + sender and crc_x25(known[:head]) == int.from_bytes(known[head:]):
            return sender
    return b""


def _frame(data: bytes, to_bytes: int, sender: bytes) -> HdlcFrame | None:
    head = 3 + to_bytes + len(sender)
    if len(data) < head + 2 or crc_x25(data[:-2]) != int.from_bytes(data[-2:]):
        return None
    return HdlcFrame(data[head - 1], data[head + 2 : -2], bool(data[0] & _SEGMENTED >> 8), sender)
