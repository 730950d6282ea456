"""Where frames of protocols without a reader stand in bytes, and what their heads tell: HDLC, M-Bus, DLMS, Modbus."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from meters.sml_transport import crc_x25

_FLAG: Final = 0x7E
_GLO: Final = 0xDB
"""The tag of general-glo-ciphering (DLMS Green Book): everything behind it needs the meter's key."""
_APDUS: Final = frozenset({0x0F, 0x60, 0x61, 0xC0, 0xC1, 0xC2, 0xC4, 0xC5, 0xC7, 0xD8, _GLO, 0xDC, 0xDD, 0xDF, 0xE0})
_GBT: Final = 0xE0
_CIPHERED: Final = frozenset({_GLO, 0xDC, 0xDD})
_LLC: Final = (b"\xe6\xe7\x00", b"\xe6\xe6\x00")
_MBUS_STOP: Final = 0x16
_MBUS_MAX: Final = 2048
_MEDIA: Final = {2: "electricity", 3: "gas", 4: "heat", 6: "warm water", 7: "water", 10: "cold", 12: "heat", 13: "heat"}


@dataclass(frozen=True, slots=True)
class Unit:
    """A frame: its place, and what its head tells. `damaged` where its own check fails and only its head is sound."""

    start: int
    end: int
    ciphered: bool = False
    parted: bool = False
    who: str = ""
    dlms: bool = False
    damaged: bool = False


def hdlc(data: bytes) -> Iterator[Unit]:
    """Frames of HDLC, frame format type 3 (IEC 62056-46), by the frame's check.

    In a torn one, or one that bits were lost of, the check of its head and what stands behind it tell.
    """
    at = data.find(_FLAG)
    while 0 <= at < len(data) - 8:
        unit = _hdlc_at(data, at)
        if unit is not None:
            yield unit
        at = data.find(_FLAG, unit.end - 1 if unit is not None else at + 1)


def _hdlc_at(data: bytes, at: int) -> Unit | None:
    if data[at + 1] & 0xF0 != 0xA0:
        return None
    length = (data[at + 1] & 0x07) << 8 | data[at + 2]
    frame = data[at + 1 : at + 1 + length]
    head = _head_length(frame)
    if length < head + 2 or head == 0:
        return None
    body = frame[head + 2 : -2]
    apdu = next((body[len(llc) :] for llc in _LLC if body.startswith(llc)), b"")
    damaged = False
    if len(frame) < length or crc_x25(frame[:-2]) != int.from_bytes(frame[-2:]):
        sound = len(frame) >= head + 2 and crc_x25(frame[:head]) == int.from_bytes(frame[head : head + 2])
        whole = len(frame) == length and data[at + 1 + length : at + 2 + length] == bytes((_FLAG,))
        if not sound or not (whole or apdu):
            return None
        damaged = True
    return Unit(at, at + 2 + len(frame), _tag(apdu) in _CIPHERED, bool(frame[0] & 0x08), dlms=True, damaged=damaged)


def _tag(apdu: bytes) -> int:
    """The tag of a DLMS message, in the first block of a general block transfer that of what it carries; else 0."""
    if apdu[:1] == bytes((_GBT,)) and len(apdu) > 7:
        size = apdu[6] - 0x80 if apdu[6] > 0x80 else 0
        apdu = apdu[7 + size :] if apdu[2:4] == b"\x00\x01" else b""
    return apdu[0] if apdu else 0


def _head_length(frame: bytes) -> int:
    """Format, destination and source (1, 2 or 4 octets each, the last one odd) and control; 0 where it is none."""
    at = 2
    for _ in range(2):
        size = next((n for n in (1, 2, 3, 4) if at + n <= len(frame) and frame[at + n - 1] & 1), 0)
        if size in (0, 3):
            return 0
        at += size
    return at + 1


def mbus(data: bytes) -> Iterator[Unit]:
    """Long frames of M-Bus (EN 13757-2 5.4): both lengths, both start marks, the sum and the stop mark fit.

    DLMS push frames longer than 255 octets state their length less 256 or a multiple of it.
    """
    at = data.find(0x68)
    while 0 <= at < len(data) - 5:
        end = 0
        if data[at + 2 : at + 4] == bytes((data[at + 1], 0x68)):
            end = next((end for end in _mbus_ends(data, at) if sum(data[at + 4 : end - 2]) & 0xFF == data[end - 2]), 0)
        if end:
            yield _mbus_unit(at, end, data[at + 4 : end - 2])
        at = data.find(0x68, end or at + 1)


def _mbus_ends(data: bytes, at: int) -> Iterator[int]:
    for length in range(data[at + 1], _MBUS_MAX, 256):
        end = at + length + 6
        if end > len(data):
            return
        if length >= 3 and data[end - 1] == _MBUS_STOP:
            yield end


def _mbus_unit(at: int, end: int, body: bytes) -> Unit:
    """By the CI field: 0x00 to 0x1F is a part of a DLMS message (EN 13757-3), 0x72 a reply with its meter's head."""
    control, user = body[2], body[3:]
    if control < 0x20:
        # 0x10 marks the last part, the low digits number them; the two ends' addresses follow
        return Unit(at, end, user[2:3] == bytes((_GLO,)), bool(control & 0x0F), dlms=True)
    who = ""
    if control == 0x72 and len(user) >= 12:
        maker = int.from_bytes(user[4:6], "little")
        letters = "".join(chr(64 + (maker >> shift & 0x1F)) for shift in (10, 5, 0))
        medium = _MEDIA.get(user[7], "")
        who = f"a reply of {letters} {user[3::-1].hex()}{f', {medium}' if medium else ''}"
    return Unit(at, end, who=who)


def wrapper(data: bytes) -> Iterator[Unit]:
    """DLMS over TCP (IEC 62056-47), from the start: version 1, two ports, a length that fits, and a known APDU."""
    at = 0
    while data[at : at + 2] == b"\x00\x01" and len(data) > at + 8 and data[at + 8] in _APDUS:
        end = at + 8 + int.from_bytes(data[at + 6 : at + 8])
        if end > len(data) or end == at + 8:
            return
        yield Unit(at, end, _tag(data[at + 8 : end]) in _CIPHERED, dlms=True)
        at = end


_SECURITY: Final = frozenset(bytes((kind | suite,)) for kind in (0x10, 0x20, 0x30) for suite in (0, 1, 2))


# A telegram's own header may stand before it, and then the tag and the title are left out (Elgama, Kaifa in Poland).
_HEADED: Final = re.compile(rb"/([A-Za-z]{3})[^\r\n]{1,64}\r?\n\r?\n\xdb?(?=\x00[\x81\x82])")


def ciphered(data: bytes) -> Iterator[Unit]:
    """general-glo-ciphering on the bare line, as encrypted P1 ports send it: DB, a system title of 8, a length."""
    at = 0
    while at < len(data):
        bare = data.find(b"\xdb\x08", at)
        headed = _HEADED.search(data, at)
        if headed is not None and (bare < 0 or headed.start() < bare):
            start, sized, who = headed.start(), headed.end() + 1, "/" + headed.group(1).decode()
        elif bare >= 0:
            title = data[bare + 2 : bare + 10]
            named = title[:3].isalpha() and title[:3].isascii()
            start, sized, who = bare, bare + 10, title[:3].decode("latin-1") + title[3:].hex() if named else title.hex()
        else:
            return
        end = _ciphered_end(data, sized)
        # letters of a maker begin a title; where none do, the next telegram or the end must follow
        if end and (start != bare or named or end == len(data) or data[end : end + 10] == data[start : start + 10]):
            yield Unit(start, min(len(data), end), ciphered=True, who=who)
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


# data-notification, a number of four octets, a date and time of day (DLMS Green Book, Blue Book 4.1.6.1)
_APDU: Final = re.compile(
    rb"(?:\xe6[\xe6\xe7]\x00)?\x0f.{4}(?:\x09?\x0c)?\x07[\xd0-\xff][\x01-\x0c][\x01-\x1f][\x01-\x07\xff]"
    rb"[\x00-\x17][\x00-\x3b][\x00-\x3b\xff].{4}[\x01\x02]",
    re.DOTALL,
)


def apdus(data: bytes) -> Iterator[Unit]:
    """DLMS messages without the framing of a line: what a gateway's log shows, deciphered or taken out of its frame."""
    starts = [match.start() for match in _APDU.finditer(data)]
    for start, end in pairwise((*starts, len(data))):
        yield Unit(start, end, dlms=True)


def modbus(data: bytes) -> Iterator[Unit]:
    """Modbus RTU by its CRC: two frames, one behind the other, or one that is all there is.

    16 bits alone would fit noise by chance, and in noise that comes again with each telegram again and again.
    """
    found = []
    at = 0
    while at < len(data) - 4:
        end = next((end for end in _modbus_ends(data, at) if crc_modbus(data[at:end]) == 0), 0)
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


def crc_modbus(data: bytes) -> int:
    """CRC-16/MODBUS; 0 over a frame with its own CRC, low octet first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
