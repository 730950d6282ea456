"""Where frames of protocols without a reader are in bytes, and what their heads say: M-Bus, encrypted P1, Modbus."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from meters.wires.crc16 import MODBUS
from meters.wires.mbus.link import LONG, begins_reply, sound

_MBUS_DLMS: Final = 0x20


@dataclass(frozen=True, slots=True)
class Unit:
    """A frame: its place, and what its head says of its meter."""

    start: int
    end: int
    who: str = ""


def mbus(data: bytes) -> Iterator[Unit]:
    """Long frames of M-Bus (EN 13757-2 5.4) that no reader takes: what masters send.

    Meters' replies, and those that carry parts of a DLMS message (EN 13757-3, CI field below 0x20), are read and count
    for nothing here.
    """
    at = data.find(LONG)
    while 0 <= at < len(data) - 5:
        end = at + data[at + 1] + 6
        whole = sound(data[at:end])
        if whole and data[at + 6] >= _MBUS_DLMS and not begins_reply(data[at:end]):
            yield Unit(at, end)
        at = data.find(LONG, end if whole else at + 1)


_SECURITY: Final = frozenset(bytes((kind | suite,)) for kind in (0x10, 0x20, 0x30) for suite in (0, 1, 2))


# A telegram's own header may stand before it, and then the tag and the title are left out (Elgama, Kaifa in Poland).
_HEADED: Final = re.compile(rb"/([A-Za-z]{3})[^\r\n]{1,64}\r?\n\r?\n\xdb?(?=\x00[\x81\x82])")


def ciphered(data: bytes) -> Iterator[Unit]:
    """general-glo-ciphering on the bare line in forms that are not read: behind a header, or a title of no maker."""
    at = 0
    while at < len(data):
        bare = data.find(b"\xdb\x08", at)
        headed = _HEADED.search(data, at)
        if headed is not None and (bare < 0 or headed.start() < bare):
            start, sized, who = headed.start(), headed.end() + 1, "/" + headed.group(1).decode()
        elif bare >= 0:
            title = data[bare + 2 : bare + 10]
            start, sized, who = bare, bare + 10, title.hex()
        else:
            return
        end = _ciphered_end(data, sized)
        # where no letters of a maker begin a title, the next telegram or the end must follow; others are read
        followed = end == len(data) or data[end : end + 10] == data[start : start + 10]
        if end and (start != bare or (followed and not data[bare + 2 : bare + 5].isalpha())):
            yield Unit(start, min(len(data), end), who)
            at = end
        else:
            at = start + 1


def _ciphered_end(data: bytes, at: int) -> int:
    """Where the text ends whose length stands at this place, with a security control behind it; 0 where none does."""
    head = data[at : at + 4]
    if len(head) < 4:
        return 0
    size = {0x81: 1, 0x82: 2}.get(head[0], 0)
    length = int.from_bytes(head[1 : 1 + size]) if size else head[0]
    # the security control's low digits name the suite, 0 to 2; 0x10, 0x20 and 0x30 say authenticated, encrypted, both
    known = data[at + 1 + size : at + 2 + size] in _SECURITY
    return at + 1 + size + length if length >= 5 and known else 0


def modbus(data: bytes) -> Iterator[Unit]:
    """Modbus RTU by its CRC: two frames, one behind the other, or one that is all there is.

    16 bits alone would fit noise by chance, and in noise that comes again with each telegram again and again.
    """
    found = []
    at = 0
    while at < len(data) - 4:
        end = next((end for end in _modbus_ends(data, at) if MODBUS.of(data[at:end]) == 0), 0)
        if end:
            found.append(Unit(at, end))
        at = end or at + 1
    joined = any(one.end == two.start for one, two in pairwise(found))
    if joined or (found and found[0].end - found[0].start == len(data)):
        yield from found


def _modbus_ends(data: bytes, at: int) -> Iterator[int]:
    """Where a request or reply that begins here would end (Modbus Application Protocol 1.1b3, 6)."""
    if not 1 <= data[at] <= 247:
        return
    function = data[at + 1]
    if function in (1, 2, 3, 4):
        yield at + 8
        yield at + 5 + data[at + 2]
    elif function in (5, 6):
        yield at + 8
    elif function in (15, 16):
        yield at + 8
        if at + 6 < len(data):
            yield at + 9 + data[at + 6]
    elif function in (0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x8F, 0x90):
        yield at + 5
