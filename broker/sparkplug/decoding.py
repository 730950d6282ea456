"""Payloads from Protocol Buffers (Sparkplug 3.0, 6.4), whoever sent them: all data types, within bounds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from broker.errors import ContractError
from broker.sparkplug.datatypes import Array, DataType, Scalar, data_type, meant
from broker.sparkplug.payload import DataSet, Metric, Payload, Template, Value
from broker.sparkplug.protobuf import (
    FieldValue,
    WireType,
    broken,
    bytes_of,
    float_of,
    number_of,
    read_fields,
    read_varint,
    text_of,
)

BYTES_MAX: Final = 1024 * 1024
METRICS_MAX: Final = 10_000
"""Metrics of a payload, those of its templates and the rows of its data sets among them."""
DEPTH_MAX: Final = 8
"""Templates within templates: deeper ones are refused."""
_UINT32: Final = 2**32 - 1
_NUMBERS: Final = frozenset(DataType)


@dataclass(slots=True)
class _Reading:
    """How a payload is read, and how much of it may still come."""

    plain: bool
    left: int = METRICS_MAX

    def take(self) -> None:
        """One metric or row more."""
        self.left -= 1
        if self.left < 0:
            raise broken(f"more than {METRICS_MAX} metrics")


def decode(data: bytes, *, plain: bool = False) -> Payload:
    """A payload from bytes. Raises ContractError where they are none, or a value can't be what it says it is.

    Fields that are unknown are passed over. With `plain` single values alone are read, for a host that uses no others:
    properties, arrays, data sets and templates are passed over, broken or not; a value that can't be what it says it is
    stays as it travelled, and one of an unknown type has no type, so that none costs the metrics beside it.
    """
    if len(data) > BYTES_MAX:
        raise ContractError(f"{len(data)} bytes", field="payload", fix=f"{BYTES_MAX} bytes at most")
    reading = _Reading(plain)
    metrics, timestamp_ms, seq = list[Metric](), None, None
    for number, kind, value in read_fields(data):
        if number == 1:
            timestamp_ms = number_of(kind, value)
        elif number == 2:
            metrics.append(_decode_metric(bytes_of(kind, value), 0, reading))
        elif number == 3:
            seq = number_of(kind, value)
    return Payload(tuple(metrics), timestamp_ms, seq)


_Reader = Callable[[WireType, FieldValue], Scalar]
_READERS: Final[tuple[_Reader, ...]] = (
    lambda kind, value: number_of(kind, value) & _UINT32,
    number_of,
    float_of,
    float_of,
    lambda kind, value: number_of(kind, value) != 0,
    text_of,
    bytes_of,
)
"""How int, long, float, double, boolean, string and bytes values are read, in the order of their fields' numbers."""


def _decode_metric(data: bytes, depth: int, reading: _Reading) -> Metric:
    reading.take()
    if depth > DEPTH_MAX:
        raise broken(f"templates lie more than {DEPTH_MAX} deep")
    name: str | None = None
    numbers: dict[int, int] = {}
    properties: Mapping[str, Scalar | None] = MappingProxyType({})
    value: Value | None = None
    for number, kind, raw in read_fields(data):
        if number == 1:
            name = text_of(kind, raw)
        elif 2 <= number <= 7:
            numbers[number] = number_of(kind, raw)
        elif number == 9 and not reading.plain:
            properties = _decode_properties(bytes_of(kind, raw))
        elif 10 <= number <= (15 if reading.plain else 18):
            value = _decode_value(number, kind, raw, depth, reading)
    datatype = _type_of(numbers.get(4), reading)
    if numbers.get(7):
        value = None
    elif datatype is not None and isinstance(value, bool | int | float | str | bytes):
        value = _meant(value, datatype, name or "", reading)
    return Metric(
        name, numbers.get(2), numbers.get(3), datatype, value, is_historical=bool(numbers.get(5)),
        is_transient=bool(numbers.get(6)), is_null=value is None, properties=properties,
    )  # fmt: skip


def _type_of(number: int | None, reading: _Reading) -> DataType | None:
    if number is None or (reading.plain and number not in _NUMBERS):
        return None
    return data_type(number)


def _meant(value: Scalar, datatype: DataType, name: str, reading: _Reading) -> Scalar | Array:
    try:
        return meant(value, datatype, name)
    except ContractError:
        if not reading.plain:
            raise
        return value


def _decode_value(number: int, kind: WireType, raw: FieldValue, depth: int, reading: _Reading) -> Value:
    if number == 17:
        return _decode_dataset(bytes_of(kind, raw), reading)
    if number == 18:
        return _decode_template(bytes_of(kind, raw), depth + 1, reading)
    return _READERS[number - 10](kind, raw)


def _decode_properties(data: bytes) -> Mapping[str, Scalar | None]:
    """The plain ones of a set; sets within it are passed over."""
    keys, values = list[str](), list[Scalar | None]()
    for number, kind, raw in read_fields(data):
        if number == 1:
            keys.append(text_of(kind, raw))
        elif number == 2:
            values.append(_decode_property(bytes_of(kind, raw)))
    if len(keys) != len(values):
        raise broken(f"{len(keys)} keys and {len(values)} values of properties")
    return MappingProxyType(dict(zip(keys, values, strict=True)))


def _decode_property(data: bytes) -> Scalar | None:
    datatype, null, value = DataType.UNKNOWN, False, None
    for number, kind, raw in read_fields(data):
        if number == 1:
            datatype = data_type(number_of(kind, raw))
        elif number == 2:
            null = number_of(kind, raw) != 0
        elif 3 <= number <= 8:
            value = _READERS[number - 3](kind, raw)
    if null or value is None:
        return None
    found = meant(value, datatype, "properties")
    return None if isinstance(found, tuple) else found


def _decode_dataset(data: bytes, reading: _Reading) -> DataSet:
    columns, types, rows = list[str](), list[DataType](), list[bytes]()
    for number, kind, raw in read_fields(data):
        if number == 2:
            columns.append(text_of(kind, raw))
        elif number == 3:
            # proto2 writes them one by one; who packs them is heard, too
            packed = [raw] if isinstance(raw, int) else _packed(bytes_of(kind, raw))
            types += [data_type(one) for one in packed]
        elif number == 4:
            reading.take()
            rows.append(bytes_of(kind, raw))
    if len(columns) != len(types):
        raise broken(f"{len(columns)} columns and {len(types)} types of a data set")
    return DataSet(tuple(columns), tuple(types), tuple(_decode_row(row, tuple(types)) for row in rows))


def _packed(data: bytes) -> list[int]:
    found, at = list[int](), 0
    while at < len(data):
        value, at = read_varint(data, at)
        found.append(value)
    return found


def _decode_row(data: bytes, types: tuple[DataType, ...]) -> tuple[Scalar | Array | None, ...]:
    cells = [bytes_of(kind, raw) for number, kind, raw in read_fields(data) if number == 1]
    if len(cells) != len(types):
        raise broken(f"a row of {len(cells)} values in a data set of {len(types)} columns")
    return tuple(_decode_cell(cell, datatype) for cell, datatype in zip(cells, types, strict=True))


def _decode_cell(data: bytes, datatype: DataType) -> Scalar | Array | None:
    for number, kind, raw in read_fields(data):
        if 1 <= number <= 6:
            return meant(_READERS[number - 1](kind, raw), datatype, "dataset")
    return None


def _decode_template(data: bytes, depth: int, reading: _Reading) -> Template:
    metrics, ref, version, definition = list[Metric](), None, None, False
    for number, kind, raw in read_fields(data):
        if number == 1:
            version = text_of(kind, raw)
        elif number == 2:
            metrics.append(_decode_metric(bytes_of(kind, raw), depth, reading))
        elif number == 4:
            ref = text_of(kind, raw)
        elif number == 5:
            definition = number_of(kind, raw) != 0
    return Template(tuple(metrics), ref, version, definition)
