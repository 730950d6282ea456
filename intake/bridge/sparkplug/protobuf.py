"""Sparkplug B payloads on the wire: protocol buffers, as far as the specification's table of fields goes. No I/O.

Fields by their numbers are those of Sparkplug 3.0, 6.4 (Payload, Metric); data sets, templates, property sets and
extensions are passed over, as they are no readings.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from broker.errors import ContractError

MOST_BYTES: Final = 1024 * 1024
MOST_METRICS: Final = 10_000
_FIX: Final = "a Sparkplug B payload"


class DataType(IntEnum):
    """Sparkplug 3.0 6.4.16; what is not here has no simple value."""

    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15


_SIGNED: Final[dict[int, int]] = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; '' and None where the payload says nothing. `timestamp_ms` is since 1970, UTC."""

    name: str = ""
    alias: int | None = None
    timestamp_ms: int | None = None
    datatype: int | None = None
    historical: bool = False
    null: bool = False
    value: int | float | bool | str | None = None


@dataclass(frozen=True, slots=True)
class SparkplugPayload:
    """A payload of any message but STATE."""

    timestamp_ms: int | None = None
    metrics: tuple[Metric, ...] = ()
    seq: int | None = None


def decode(data: bytes) -> SparkplugPayload:
    """Read a payload. Raises ContractError for what is none."""
    if len(data) > MOST_BYTES:
        raise ContractError(f"{len(data)} bytes", field="payload", fix=f"{MOST_BYTES} bytes at most")
    timestamp, seq, metrics = None, None, []
    for number, value in _fields(data):
        if number == 1 and isinstance(value, int):
            timestamp = value
        elif number == 2 and isinstance(value, bytes):
            metrics.append(_metric(value))
            if len(metrics) > MOST_METRICS:
                raise ContractError(f"more than {MOST_METRICS} metrics", field="metrics", fix="send several messages")
        elif number == 3 and isinstance(value, int):
            seq = value
    return SparkplugPayload(timestamp, tuple(metrics), seq)


def _metric(data: bytes) -> Metric:
    facts: dict[str, Any] = {}
    raw: tuple[int, int | bytes] | None = None
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            facts["name"] = _text(value)
        elif number in _PLAIN and isinstance(value, int):
            name = _PLAIN[number]
            facts[name] = bool(value) if name in ("historical", "null") else value
        elif number in _VALUES:
            raw = number, value
    found = None if raw is None or facts.get("null") else _value(*raw, facts.get("datatype"))
    return Metric(**facts, value=found)


_PLAIN: Final = {2: "alias", 3: "timestamp_ms", 4: "datatype", 5: "historical", 7: "null"}
_VALUES: Final = range(10, 16)


def _value(number: int, raw: int | bytes, datatype: int | None) -> int | float | bool | str | None:
    if number in (10, 11) and isinstance(raw, int):
        return typed(raw, datatype)
    if number == 12 and isinstance(raw, bytes) and len(raw) == 4:
        # what the sender meant: the shortest number that is this one in single precision
        return float(f"{struct.unpack('<f', raw)[0]:.7g}")
    if number == 13 and isinstance(raw, bytes) and len(raw) == 8:
        return float(struct.unpack("<d", raw)[0])
    if number == 14 and isinstance(raw, int):
        return bool(raw)
    return _text(raw) if number == 15 and isinstance(raw, bytes) else None


def typed(value: int, datatype: int | None) -> int:
    """A number as its data type has it: negative ones come as the two's complement of their own width (6.4.16)."""
    bits = _SIGNED.get(datatype or 0)
    if bits is None:
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ContractError("a text that is no UTF-8", field="payload", fix=_FIX) from error


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Fields by number, in their order: varints as numbers, all else as bytes. Groups are none of Sparkplug's."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield number, value
            continue
        size = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            size, place = _varint(data, place)
        if size is None or number == 0:
            raise ContractError(f"wire type {kind} at byte {place}", field="payload", fix=_FIX)
        if place + size > len(data):
            raise ContractError(f"cut off at byte {place}", field="payload", fix=_FIX)
        yield number, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(data) or shift > 63:
            raise ContractError(f"no number at byte {place}", field="payload", fix=_FIX)
        octet = data[place]
        value |= (octet & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not octet & 0x80:
            return value & (2**64 - 1), place


def encode_rebirth(now_ms: int) -> bytes:
    """An NCMD's payload that asks a node for a new birth (Sparkplug 3.0 6.4.20, Node Control/Rebirth)."""
    name = b"Node Control/Rebirth"
    metric = b"\x0a" + _number(len(name)) + name + b"\x18" + _number(now_ms) + b"\x20" + _number(DataType.BOOLEAN)
    metric += b"\x70\x01"
    return b"\x08" + _number(now_ms) + b"\x12" + _number(len(metric)) + metric


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
