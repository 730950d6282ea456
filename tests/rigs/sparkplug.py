"""A Sparkplug edge node of its own: payloads written by the specification's table of fields, not by our decoder."""

import struct
from collections.abc import Callable
from typing import Any

TYPES = {
    "Int8": 1,
    "Int16": 2,
    "Int32": 3,
    "Int64": 4,
    "UInt64": 8,
    "Float": 9,
    "Double": 10,
    "Boolean": 11,
    "String": 12,
}


def varint(value: int) -> bytes:
    """A number of protocol buffers; negative ones as 64 bits."""
    value &= 2**64 - 1
    found = b""
    while value > 127:
        found += bytes([value % 128 + 128])
        value //= 128
    return found + bytes([value])


def field(number: int, body: bytes) -> bytes:
    """A field of bytes."""
    return varint(number * 8 + 2) + varint(len(body)) + body


def metric(name: str = "", kind: str | None = None, value: Any = None, **more: Any) -> bytes:
    """A metric; `more` has alias, timestamp, historical."""
    found = field(1, name.encode()) if name else b""
    for number, key in ((2, "alias"), (3, "timestamp"), (5, "historical")):
        if key in more:
            found += varint(number * 8) + varint(int(more[key]))
    shape = kind or more.get("shape", "Double")
    if kind is not None:
        found += varint(4 * 8) + varint(TYPES[kind])
    if value is None:
        return found + varint(7 * 8) + b"\1"
    shapes: dict[str, Callable[[Any], bytes]] = {
        **dict.fromkeys(("Int8", "Int16", "Int32"), lambda one: varint(10 * 8) + varint(one & 0xFFFFFFFF)),
        **dict.fromkeys(("Int64", "UInt64"), lambda one: varint(11 * 8) + varint(one)),
        "Float": lambda one: varint(12 * 8 + 5) + struct.pack("<f", one),
        "Double": lambda one: varint(13 * 8 + 1) + struct.pack("<d", one),
        "Boolean": lambda one: varint(14 * 8) + varint(one),
        "String": lambda one: field(15, one.encode()),
    }
    return found + shapes[shape](value)


def payload(seq: int | None, *metrics: bytes, timestamp: int = 1_763_892_000_000) -> bytes:
    """A message's payload."""
    found = varint(8) + varint(timestamp) + b"".join(field(2, one) for one in metrics)
    return found if seq is None else found + varint(3 * 8) + varint(seq)


def birth(bdseq: int, *metrics: bytes, seq: int = 0) -> bytes:
    """An NBIRTH."""
    return payload(seq, metric("bdSeq", "UInt64", bdseq), metric("Node Control/Rebirth", "Boolean", False), *metrics)
