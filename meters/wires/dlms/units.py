"""What the framings of DLMS share: a unit of the line, its payload, and how lengths are written (A-XDR)."""

from dataclasses import dataclass

from broker.errors import FrameError


class NotAUnitError(Exception):
    """No unit of this framing stands here, or none that belongs to what has begun."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of the line: where it ends, its payload, where that begins; `more` where others must follow.

    `number` is its place in the message as M-Bus counts it.
    """

    end: int
    payload: bytes
    payload_at: int
    more: bool = False
    number: int = 0


def length_of(data: bytes, at: int) -> tuple[int, int]:
    """A length (IEC 62056-5-3, A-XDR: one octet, or 0x81 to 0x84 and so many octets), and the place behind it.

    Raises FrameError where there is none.
    """
    first = data[at] if at < len(data) else 0xFF
    if first < 0x80:
        return first, at + 1
    size = first & 0x7F
    if not 1 <= size <= 4 or at + 1 + size > len(data):
        raise FrameError("malformed", "no length", offset=at)
    return int.from_bytes(data[at + 1 : at + 1 + size]), at + 1 + size


def block_lost(wanted: int, got: int) -> FrameError:
    """The failure of a message of which a part did not come, or came out of its order."""
    return FrameError("block_lost", f"part {wanted} of the message is missing: part {got} came in its place")
