"""Sparkplug's data types, and what a value as it travels means by them (Sparkplug 3.0, 6.4.16)."""

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from broker.errors import ContractError


class DataType(IntEnum):
    """The data types by their numbers."""

    UNKNOWN = 0
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
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    PROPERTY_SET = 20
    PROPERTY_SET_LIST = 21
    INT8_ARRAY = 22
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    INT64_ARRAY = 25
    UINT8_ARRAY = 26
    UINT16_ARRAY = 27
    UINT32_ARRAY = 28
    UINT64_ARRAY = 29
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31
    BOOLEAN_ARRAY = 32
    STRING_ARRAY = 33
    DATETIME_ARRAY = 34


Scalar = bool | int | float | str | bytes
Array = tuple[bool, ...] | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]

SIGNED: Final = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
UNSIGNED: Final = {
    DataType.UINT8: 8, DataType.UINT16: 16, DataType.UINT32: 32, DataType.UINT64: 64, DataType.DATETIME: 64
}  # fmt: skip
LONG: Final = frozenset({DataType.INT64, DataType.UINT64, DataType.DATETIME})
"""Integers that travel as `long_value`; the others as `int_value`."""
TEXTS: Final = frozenset({DataType.STRING, DataType.TEXT, DataType.UUID})
_ARRAYS: Final = {
    DataType.INT8_ARRAY: "b", DataType.INT16_ARRAY: "h", DataType.INT32_ARRAY: "i", DataType.INT64_ARRAY: "q",
    DataType.UINT8_ARRAY: "B", DataType.UINT16_ARRAY: "H", DataType.UINT32_ARRAY: "I", DataType.UINT64_ARRAY: "Q",
    DataType.FLOAT_ARRAY: "f", DataType.DOUBLE_ARRAY: "d", DataType.DATETIME_ARRAY: "Q",
}  # fmt: skip


_PLAIN: Final[Mapping[DataType, tuple[type, ...]]] = {
    DataType.BOOLEAN: (bool,), DataType.STRING: (str,), DataType.TEXT: (str,), DataType.UUID: (str,),
    DataType.BYTES: (bytes,), DataType.FILE: (bytes,), DataType.UNKNOWN: (bool, int, float, str, bytes),
}  # fmt: skip
"""Data types whose values travel as they are."""


def unfit(value: object, datatype: DataType, name: str) -> ContractError:
    """What is raised for a value that its data type can't be."""
    return ContractError(f"{value!r:.80} is no {datatype.name}", field=name or "value", fix="fit the data type")


def data_type(number: int) -> DataType:
    """The data type of a number. Raises ContractError for one that the specification does not have."""
    try:
        return DataType(number)
    except ValueError:
        raise ContractError(f"{number} is no data type", field="datatype", fix="one of 1 to 34") from None


def meant(value: Scalar, datatype: DataType, name: str = "") -> Scalar | Array:
    """What a value as it travelled means by its data type: the sign, the items of an array, the kind of a number.

    A DateTime stays a number: milliseconds since 1970 UTC. Raises ContractError where it can't be.
    """
    if datatype in SIGNED or datatype in UNSIGNED:
        if isinstance(value, bool) or not isinstance(value, int):
            raise unfit(value, datatype, name)
        return _signed(value, datatype, name) if datatype in SIGNED else _unsigned(value, datatype, name)
    if datatype in (DataType.FLOAT, DataType.DOUBLE) and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if datatype >= DataType.INT8_ARRAY and isinstance(value, bytes):
        return _array(value, datatype, name)
    if not isinstance(value, _PLAIN.get(datatype, ())):
        raise unfit(value, datatype, name)
    return value


def travelling(value: int, datatype: DataType, name: str = "") -> int:
    """An integer as it travels: negative ones as the complement of two. Raises ContractError."""
    if datatype in UNSIGNED:
        return _unsigned(value, datatype, name)
    bits = SIGNED[datatype]
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise unfit(value, datatype, name)
    # of 32 bit where it is fewer, as the field is: who reads 8 of them finds the same
    return value % (1 << max(32, bits))


def _signed(value: int, datatype: DataType, name: str) -> int:
    """Some senders write the complement in the type's width, some in the field's of 32 bit: both are heard."""
    bits = SIGNED[datatype]
    half = 1 << bits - 1
    if -half <= value < half:
        return value
    for width in {bits, 32, 64}:
        if width >= bits and 0 <= value < 1 << width and value - (1 << width) >= -half:
            return value - (1 << width)
    raise unfit(value, datatype, name)


def _unsigned(value: int, datatype: DataType, name: str) -> int:
    if not 0 <= value < 2 ** UNSIGNED[datatype]:
        raise unfit(value, datatype, name)
    return value


def _array(data: bytes, datatype: DataType, name: str) -> Array:
    if datatype is DataType.STRING_ARRAY:
        if data and not data.endswith(b"\0"):
            raise unfit(data, datatype, name)
        try:
            return tuple(part.decode() for part in data.split(b"\0")[:-1])
        except UnicodeDecodeError as error:
            raise unfit(data, datatype, name) from error
    if datatype is DataType.BOOLEAN_ARRAY:
        count = int.from_bytes(data[:4], "little")
        if len(data) < 4 or len(data) - 4 != (count + 7) // 8:
            raise unfit(data, datatype, name)
        return tuple(bool(data[4 + at // 8] & 0x80 >> at % 8) for at in range(count))
    try:
        return tuple(item for (item,) in struct.iter_unpack(f"<{_ARRAYS[datatype]}", data))
    except struct.error as error:
        raise unfit(data, datatype, name) from error
