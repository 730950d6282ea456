"""The wire format of Protocol Buffers, as far as Sparkplug's payloads need it."""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from broker.errors import ContractError

_UINT64: Final = 2**64 - 1
_NUMBER_MAX: Final = 2**29 - 1


class WireType(IntEnum):
    """How a field's value is laid down; groups (3 and 4) are long gone and refused."""

    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5


FieldValue = int | bytes
"""A varint as an unsigned 64 bit number; anything else as its bytes."""


def broken(reason: str) -> ContractError:
    """What is raised for bytes that are no message."""
    return ContractError(reason, field="payload", fix="send a Sparkplug B payload in Protocol Buffers")


def varint(value: int) -> bytes:
    """A number of 0 to 2**64 - 1, seven bits a byte, the lowest first."""
    if not 0 <= value <= _UINT64:
        raise ContractError(f"{value} is no unsigned 64 bit number", field="value", fix="0 to 2**64 - 1")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at a place, cut to 64 bits, and the place after it. Raises ContractError."""
    value = 0
    for turn in range(10):
        if at + turn >= len(data):
            raise broken("a number is cut off")
        octet = data[at + turn]
        value |= (octet & 0x7F) << (7 * turn)
        if octet < 0x80:
            return value & _UINT64, at + turn + 1
    raise broken("a number is longer than ten bytes")


def put_varint(number: int, value: int) -> bytes:
    """A field of a number, a bool, or an enumeration."""
    return varint(number << 3 | WireType.VARINT) + varint(value)


def put_bytes(number: int, value: bytes) -> bytes:
    """A field of bytes, of a text's UTF-8, or of a message within this one."""
    return varint(number << 3 | WireType.BYTES) + varint(len(value)) + value


def put_float(number: int, value: float) -> bytes:
    """A field of a float of 32 bit. Raises ContractError where the value is beyond it."""
    try:
        return varint(number << 3 | WireType.FIXED32) + struct.pack("<f", value)
    except OverflowError as error:
        raise ContractError(f"{value} is beyond a float", field="value", fix="send it as Double") from error


def put_double(number: int, value: float) -> bytes:
    """A field of a float of 64 bit."""
    return varint(number << 3 | WireType.FIXED64) + struct.pack("<d", value)


def read_fields(data: bytes) -> Iterator[tuple[int, WireType, FieldValue]]:
    """Each field of a message in its order: number, wire type, value. Raises ContractError."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if not 1 <= number <= _NUMBER_MAX:
            raise broken(f"{number} is no field's number")
        if kind == WireType.VARINT:
            value, at = read_varint(data, at)
            yield number, WireType.VARINT, value
            continue
        if kind == WireType.BYTES:
            size, at = read_varint(data, at)
        elif kind in (WireType.FIXED64, WireType.FIXED32):
            size = 8 if kind == WireType.FIXED64 else 4
        else:
            raise broken(f"wire type {kind} is unknown")
        if size > len(data) - at:
            raise broken(f"field {number} is cut off")
        yield number, WireType(kind), data[at : at + size]
        at += size


def number_of(kind: WireType, value: FieldValue) -> int:
    """What a field of a number holds. Raises ContractError where it holds something else."""
    if kind is not WireType.VARINT or not isinstance(value, int):
        raise broken("a number is wanted, and something else is there")
    return value


def bytes_of(kind: WireType, value: FieldValue) -> bytes:
    """What a field of bytes, or of a message, holds. Raises ContractError."""
    if kind is not WireType.BYTES or not isinstance(value, bytes):
        raise broken("bytes are wanted, and something else is there")
    return value


def text_of(kind: WireType, value: FieldValue) -> str:
    """What a field of text holds. Raises ContractError where it is no UTF-8."""
    try:
        return bytes_of(kind, value).decode()
    except UnicodeDecodeError as error:
        raise broken("a text is no UTF-8") from error


def float_of(kind: WireType, value: FieldValue) -> float:
    """What a field of a float of 32 or 64 bit holds. Raises ContractError.

    Of 32 bit it is the shortest number that is the same there: 0.1, as its sender meant it, and not 0.10000000149.
    """
    if kind not in (WireType.FIXED32, WireType.FIXED64) or not isinstance(value, bytes):
        raise broken("a float is wanted, and something else is there")
    if kind is WireType.FIXED64:
        return float(struct.unpack("<d", value)[0])
    found = float(struct.unpack("<f", value)[0])
    shorter = (float(f"{found:.{digits}g}") for digits in (6, 7, 8))
    return next((one for one in shorter if struct.pack("<f", one) == value), found)
