"""A pushed DLMS message (data-notification, IEC 62056-5-3 7.3.11): its time and the values of its outermost list."""

from dataclasses import dataclass
from typing import Final

from broker.errors import FrameError
from meters.telegram import MeterTime
from meters.wires.dlms.axdr import MAX_NODES, malformed, read
from meters.wires.dlms.clock import BYTES, read_clock
from meters.wires.dlms.lists import Element
from meters.wires.dlms.units import length_of

NOTIFICATION: Final = 0x0F
_INVOKE_BYTES: Final = 4
_ARRAY, _STRUCTURE = 1, 2
_TAGGED_CLOCK: Final = b"\x09\x0c"
_NAMES: Final = {
    0x60: "an association request", 0x61: "an association response", 0xC0: "a GET request", 0xC1: "a SET request",
    0xC2: "an event notification", 0xC3: "an action request", 0xC4: "a GET response", 0xC5: "a SET response",
    0xC7: "an action response", 0xD8: "an exception response", 0xDD: "general-ciphering", 0xDF: "general-signing",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Notification:
    """What a message says: its own time, its outermost list as far as it came, and how many values that announces."""

    time: MeterTime | None
    elements: list[Element]
    count: int
    whole: bool


def read_notification(message: bytes) -> Notification:
    """Read a message. Raises FrameError where it is none, or holds no list."""
    tag = message[0] if message else 0
    if tag != NOTIFICATION:
        what = _NAMES.get(tag, f"a message of tag {tag:#04x}")
        raise FrameError("unsupported", f"{what}, no pushed list")
    at = 1 + _INVOKE_BYTES
    # the time is an octet string; some meters write its tag, too, and others leave it empty
    if message[at : at + 2] == _TAGGED_CLOCK:
        at += 1
    length, at = length_of(message, at)
    if length not in (0, BYTES):
        raise malformed("no time behind the head of the notification", at)
    time = read_clock(message[at : at + length])
    return _elements(message, at + length, time)


def _elements(message: bytes, at: int, time: MeterTime | None) -> Notification:
    """The outermost list; a list that is all that another one holds counts for it."""
    if message[at : at + 1] not in (b"\x01", b"\x02"):
        if at >= len(message):
            raise malformed("a notification without values", at)
        node, end = read(message, at)
        return Notification(time, [Element(node, at, end)], 1, end == len(message))
    count, place = length_of(message, at + 1)
    if count > min(MAX_NODES, len(message) - place):
        raise malformed("a list longer than its message can hold", at)
    if count == 1 and message[place : place + 1] in (b"\x01", b"\x02") and message[place + 1 : place + 2] > b"\x01":
        first, _ = read(message, place)
        if isinstance(first, list) and not isinstance(first[0], bytes):
            return _elements(message, place, time)
    elements: list[Element] = []
    while len(elements) < count:
        start = place
        try:
            node, place = read(message, place, 1)
        except FrameError:
            # some Iskra announce twelve values and send eight and a piece
            if not elements:
                raise
            break
        elements.append(Element(node, start, place))
    return Notification(time, elements, count, len(elements) == count and place == len(message))
