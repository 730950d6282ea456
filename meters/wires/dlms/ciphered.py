"""The envelope of ciphered DLMS messages (IEC 62056-5-3, general-glo-ciphering and general-ded-ciphering)."""

import re
from dataclasses import dataclass
from typing import Final

from broker.errors import FrameError
from meters.wires.dlms.units import length_of

GENERAL: Final = frozenset({0xDB, 0xDC})
"""The tags of general-glo-ciphering and general-ded-ciphering."""
TITLE_BYTES: Final = 8
TAG_BYTES: Final = 12
"""Octets of the tag that ends an authenticated message of security suite 0 (IEC 62056-5-3 5.3)."""
_AUTHENTICATED: Final = 0x10
_ENCRYPTED: Final = 0x20
_COMPRESSED: Final = 0x80
_SUITE: Final = 0x0F
_AES_128: Final = (0, 1)
"""Security suites that cipher by AES-GCM-128; they differ in how keys are agreed on."""
_HEAD_BYTES: Final = 5
"""Security control and invocation counter."""
_LETTERS: Final = re.compile(rb"[A-Za-z]{3}")


@dataclass(frozen=True, slots=True)
class Ciphered:
    """A ciphered message: whose it is, how it is protected, and its octets with the tag that ends them, if any."""

    title: bytes
    control: int
    counter: int
    content: bytes
    tag: bytes

    @property
    def encrypted(self) -> bool:
        """Whether the content needs deciphering; else it is only authenticated."""
        return bool(self.control & _ENCRYPTED)


def ciphered_bytes(start: bytes | bytearray) -> int | None:
    """How many octets a ciphered message has of which this is the beginning; None where it is none, or too short."""
    data = bytes(start[:20])
    if data[:1] not in (b"\xdb", b"\xdc") or data[1:2] != bytes((TITLE_BYTES,)):
        return None
    try:
        length, at = length_of(data, 2 + TITLE_BYTES)
    except FrameError:
        return None
    return at + length


def read_ciphered(data: bytes) -> Ciphered:
    """The envelope of a message. Raises FrameError where it is torn, or of a kind that is not read."""
    title_bytes, at = length_of(data, 1)
    title = data[at : at + title_bytes]
    length, at = length_of(data, at + title_bytes)
    if title_bytes != TITLE_BYTES or length < _HEAD_BYTES or len(data) < at + length:
        raise FrameError("malformed", "a torn ciphered message", offset=at)
    control, counter = data[at], int.from_bytes(data[at + 1 : at + _HEAD_BYTES])
    if control & _SUITE not in _AES_128 or control & _COMPRESSED or not control & (_AUTHENTICATED | _ENCRYPTED):
        detail = f"security control {control:#04x}: only suites 0 and 1 without compression are read"
        raise FrameError("unsupported", detail, offset=at)
    content, tag = data[at + _HEAD_BYTES : at + length], b""
    if control & _AUTHENTICATED:
        content, tag = content[:-TAG_BYTES], content[-TAG_BYTES:]
        if len(tag) < TAG_BYTES:
            raise FrameError("malformed", "no room for the tag", offset=at)
    return Ciphered(title, control, counter, content, tag)


def title_text(title: bytes) -> str:
    """A system title for people and as a fact: the maker's three letters, then hex; all hex where there are none."""
    return title[:3].decode().upper() + title[3:].hex() if _LETTERS.match(title) else title.hex()


def title_maker(title: bytes) -> str:
    """The FLAG code that a system title begins with, in clear also where the message is ciphered; '' where none."""
    return title[:3].decode().upper() if _LETTERS.match(title) else ""
