"""How a message lies in the outbox: a header with length and CRC-32, a fixed part, the payload. Pure functions."""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from broker.contract.topics import Kind

MAGIC: Final = b"WLr1"
HEADER: Final = struct.Struct("<4sII")
"""Magic, octets of the body, CRC-32 of the body; little endian."""
FIXED: Final = struct.Struct("<QQIB")
"""Index, time of appending in ms since 1970, stream, kind."""
_NEWER: Final = re.compile(rb"WLr([2-9])")
"""What records of agents that come after this one begin with: their layout is theirs to say."""
MAX_BODY_BYTES: Final = 512 * 1024
"""Twice what the contract allows a payload; a longer length in a header is damage."""

KINDS: Final = {Kind.READINGS: 1, Kind.FRAMES: 2, Kind.EVENTS: 3}
_KIND_OF: Final = {number: kind for kind, number in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Record:
    """One message of the outbox.

    `index` rises by one with every message this folder ever held. `stream` is the CRC-32 of the meter's key, by which
    thinning keeps a share of each meter; 0 where there is none.
    """

    index: int
    appended_ms: int
    stream: int
    kind: Kind
    payload: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """Octets that hold no whole record; `torn` where they reach to the end, as a power cut leaves them."""

    offset: int
    length: int
    torn: bool


def is_newer(data: bytes) -> bool:
    """Whether a file that begins so was written by a newer agent, in records that can't be read here."""
    return _NEWER.match(data) is not None


def encode(record: Record) -> bytes:
    """The octets of a record."""
    body = FIXED.pack(record.index, record.appended_ms, record.stream, KINDS[record.kind]) + record.payload
    return HEADER.pack(MAGIC, len(body), zlib.crc32(body)) + body


def stream_of(meter: str) -> int:
    """The stream of a meter's messages."""
    return zlib.crc32(meter.encode()) or 1


def scan(data: bytes) -> Iterator[Record | Damage]:
    """Read records one after another; whatever is damaged is named, and the next whole record is found behind it."""
    offset = 0
    while offset < len(data):
        found = _record_at(data, offset)
        if found is not None:
            record, offset = found
            yield record
            continue
        following = _next_whole(data, offset + 1)
        yield Damage(offset, following - offset, torn=following == len(data))
        offset = following


def _next_whole(data: bytes, offset: int) -> int:
    while (offset := data.find(MAGIC, offset)) >= 0:
        if _record_at(data, offset) is not None:
            return offset
        offset += 1
    return len(data)


def _record_at(data: bytes, offset: int) -> tuple[Record, int] | None:
    start = offset + HEADER.size
    if start > len(data):
        return None
    magic, length, check = HEADER.unpack_from(data, offset)
    end = start + length
    if magic != MAGIC or not FIXED.size <= length <= MAX_BODY_BYTES or end > len(data):
        return None
    body = data[start:end]
    index, appended_ms, stream, number = FIXED.unpack_from(body)
    kind = _KIND_OF.get(number)
    if zlib.crc32(body) != check or kind is None:
        return None
    return Record(index, appended_ms, stream, kind, body[FIXED.size :]), end
