"""Meter protocols that Wattline does not read, told by frames whose checks hold, and what reading them needs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from meters.sml_transport import crc_x25

MAX_LOOKED_BYTES: Final = 64 * 1024
KEPT_BYTES: Final = 2048
"""Of the first frame so many bytes are given."""
_FLAG: Final = 0x7E
_GLO: Final = 0xDB
"""The tag of general-glo-ciphering (DLMS Green Book): everything behind it needs the meter's key."""
_APDUS: Final = frozenset({0x0F, 0x60, 0x61, 0xC0, 0xC1, 0xC2, 0xC4, 0xC5, 0xC7, 0xD8, _GLO, 0xDC, 0xDD, 0xDF, 0xE0})
_GBT: Final = 0xE0
_CIPHERED: Final = frozenset({_GLO, 0xDC, 0xDD})
_LLC: Final = (b"\xe6\xe7\x00", b"\xe6\xe6\x00")
_MEDIA: Final = {2: "electricity", 3: "gas", 4: "heat", 6: "warm water", 7: "water", 10: "cold", 12: "heat", 13: "heat"}
KEY: Final = "its readings need the meter's key, which the grid operator gives out, and Wattline does not decrypt yet"
UNREAD: Final = "a protocol that Wattline does not read yet"


@dataclass(frozen=True, slots=True)
class OtherProtocol:
    """What bytes are: `name` is a word for messages, `text` for people; `offset` and `data` are the first frame's."""

    name: str
    text: str
    offset: int
    frames: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _Unit:
    """A frame whose check holds: its place, and what its head tells."""

    start: int
    end: int
    ciphered: bool = False
    parted: bool = False
    who: str = ""
    dlms: bool = False


def recognise(data: bytes) -> OtherProtocol | None:
    """What these bytes are, if frames of another protocol stand in them; chance does not pass for one."""
    data = data[:MAX_LOOKED_BYTES]
    for name, find, tell in _KINDS:
        found = list(find(data))
        if found:
            first = found[0]
            kept = data[first.start : first.end][:KEPT_BYTES]
            return OtherProtocol(name, tell(found), first.start, len(found), kept)
    return None


def _hdlc(data: bytes) -> Iterator[_Unit]:
    """Frames of HDLC, frame format type 3 (IEC 62056-46), by the frame's check, or in a torn one by the head's."""
    at = data.find(_FLAG)
    while 0 <= at < len(data) - 8:
        unit = _hdlc_at(data, at)
        if unit is not None:
            yield unit
        at = data.find(_FLAG, unit.end - 1 if unit is not None else at + 1)


def _hdlc_at(data: bytes, at: int) -> _Unit | None:
    if data[at + 1] & 0xF0 != 0xA0:
        return None
    length = (data[at + 1] & 0x07) << 8 | data[at + 2]
    frame = data[at + 1 : at + 1 + length]
    head = _head_length(frame)
    if length < head + 2 or head == 0:
        return None
    if len(frame) == length:
        if crc_x25(frame[:-2]) != int.from_bytes(frame[-2:]):
            return None
    elif len(frame) < head + 2 or crc_x25(frame[:head]) != int.from_bytes(frame[head : head + 2]):
        return None
    body = frame[head + 2 : -2]
    apdu = next((body[len(llc) :] for llc in _LLC if body.startswith(llc)), b"")
    return _Unit(at, at + 2 + len(frame), _tag(apdu) in _CIPHERED, bool(frame[0] & 0x08), dlms=True)


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


def _mbus(data: bytes) -> Iterator[_Unit]:
    """Long frames of M-Bus (EN 13757-2 5.4): both lengths, both start marks, the sum and the stop mark fit."""
    at = data.find(0x68)
    while 0 <= at < len(data) - 5:
        length = data[at + 1]
        end = at + length + 6
        body = data[at + 4 : end - 2]
        fits = data[at + 2 : at + 4] == bytes((length, 0x68)) and length >= 3 and data[end - 1 : end] == b"\x16"
        if fits and sum(body) & 0xFF == data[end - 2]:
            yield _mbus_unit(at, end, body)
            at = data.find(0x68, end)
        else:
            at = data.find(0x68, at + 1)


def _mbus_unit(at: int, end: int, body: bytes) -> _Unit:
    """By the CI field: 0x00 to 0x1F is a part of a DLMS message (EN 13757-3), 0x72 a reply with its meter's head."""
    control, user = body[2], body[3:]
    if control < 0x20:
        # 0x10 marks the last part, the low digits number them; the two ends' addresses follow
        return _Unit(at, end, user[2:3] == bytes((_GLO,)), bool(control & 0x0F), dlms=True)
    who = ""
    if control == 0x72 and len(user) >= 12:
        maker = int.from_bytes(user[4:6], "little")
        letters = "".join(chr(64 + (maker >> shift & 0x1F)) for shift in (10, 5, 0))
        medium = _MEDIA.get(user[7], "")
        who = f"a reply of {letters} {user[3::-1].hex()}{f', {medium}' if medium else ''}"
    return _Unit(at, end, who=who)


def _wrapper(data: bytes) -> Iterator[_Unit]:
    """DLMS over TCP (IEC 62056-47), from the start: version 1, two ports, a length that fits, and a known APDU."""
    at = 0
    while data[at : at + 2] == b"\x00\x01" and len(data) > at + 8 and data[at + 8] in _APDUS:
        end = at + 8 + int.from_bytes(data[at + 6 : at + 8])
        if end > len(data) or end == at + 8:
            return
        yield _Unit(at, end, _tag(data[at + 8 : end]) in _CIPHERED, dlms=True)
        at = end


def _ciphered(data: bytes) -> Iterator[_Unit]:
    """general-glo-ciphering on the bare line, as encrypted P1 ports send it: DB, a system title of 8, a length."""
    at = data.find(b"\xdb\x08")
    while at >= 0:
        unit = _ciphered_at(data, at)
        if unit is not None:
            yield unit
        at = data.find(b"\xdb\x08", unit.end if unit is not None else at + 1)


def _ciphered_at(data: bytes, at: int) -> _Unit | None:
    title, head = data[at + 2 : at + 10], data[at + 10 : at + 14]
    if len(head) < 4 or not title[:3].isalpha() or not title[:3].isascii():
        return None
    size = {0x81: 1, 0x82: 2}.get(head[0], 0)
    length = int.from_bytes(head[1 : 1 + size]) if size else head[0]
    # the security control's low digits name the suite, 0 to 2; 0x10, 0x20 and 0x30 say authenticated, encrypted, both
    if length < 5 or data[at + 11 + size : at + 12 + size][:1] not in _SECURITY:
        return None
    return _Unit(at, min(len(data), at + 11 + size + length), ciphered=True, who=title[:3].decode() + title[3:].hex())


_SECURITY: Final = frozenset(bytes((kind | suite,)) for kind in (0x10, 0x20, 0x30) for suite in (0, 1, 2))


def _modbus(data: bytes) -> Iterator[_Unit]:
    """Modbus RTU by its CRC: two frames, or one that is all there is, as 16 bits alone would fit noise by chance."""
    found = []
    at = 0
    while at < len(data) - 4:
        end = next((end for end in _modbus_ends(data, at) if crc_modbus(data[at:end]) == 0), 0)
        if end:
            found.append(_Unit(at, end))
        at = end or at + 1
    if len(found) > 1 or (found and found[0].end - found[0].start == len(data)):
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


def _count(found: list[_Unit], check: str) -> str:
    return f"{len(found)} frame{'s' if len(found) != 1 else ''} with {check}"


def _needs(found: list[_Unit]) -> str:
    return f"{UNREAD}; it is encrypted, so {KEY}" if any(one.ciphered for one in found) else UNREAD


def _tell_hdlc(found: list[_Unit]) -> str:
    parted = ", in segments" if any(one.parted for one in found) else ""
    return f"DLMS/COSEM over HDLC{parted} ({_count(found, 'the right check sequence')}): {_needs(found)}"


def _tell_mbus(found: list[_Unit]) -> str:
    count = _count(found, "the right checksum")
    if any(one.dlms for one in found):
        return f"DLMS/COSEM over M-Bus ({count}): {_needs(found)}"
    who = next((f", {one.who}" for one in found if one.who), "")
    return f"M-Bus{who} ({count}): {UNREAD}, and one in which a master must ask the meter"


def _tell_wrapper(found: list[_Unit]) -> str:
    return f"DLMS/COSEM in its TCP wrapper ({_count(found, 'the right length')}): {_needs(found)}"


def _tell_ciphered(found: list[_Unit]) -> str:
    return f"an encrypted P1 telegram (general-glo-ciphering, system title {found[0].who}): {KEY}"


def _tell_modbus(found: list[_Unit]) -> str:
    return f"Modbus RTU ({_count(found, 'the right CRC')}): {UNREAD}, and one in which a master must ask the meter"


_KINDS: Final[
    tuple[tuple[str, Callable[[bytes], Iterator[_Unit]], Callable[[list[_Unit]], str]], ...]
] = (
    ("dlms-hdlc", _hdlc, _tell_hdlc),
    ("mbus", _mbus, _tell_mbus),
    ("dlms-wrapper", _wrapper, _tell_wrapper),
    ("p1-encrypted", _ciphered, _tell_ciphered),
    ("modbus-rtu", _modbus, _tell_modbus),
)  # fmt: skip
NAMES: Final = tuple(name for name, _, _ in _KINDS)
"""All that `recognise` may say."""
