"""Payloads as Protocol Buffers (Sparkplug 3.0, 6.4): what is sent are single values, with their properties."""

from collections.abc import Mapping

from broker.errors import ContractError
from broker.sparkplug.datatypes import LONG, SIGNED, TEXTS, UNSIGNED, DataType, Scalar, travelling, unfit
from broker.sparkplug.payload import Metric, Payload
from broker.sparkplug.protobuf import put_bytes, put_double, put_float, put_varint
from broker.sparkplug.topics import REBIRTH


def encode(payload: Payload) -> bytes:
    """A payload as bytes. Raises ContractError for a value that its data type can't be."""
    out = bytearray()
    if payload.timestamp_ms is not None:
        out += put_varint(1, payload.timestamp_ms)
    for metric in payload.metrics:
        out += put_bytes(2, _encode_metric(metric))
    if payload.seq is not None:
        out += put_varint(3, payload.seq)
    return bytes(out)


def encode_rebirth(now_ms: int) -> bytes:
    """An NCMD's payload that asks an edge node for new births (Sparkplug 3.0, 6.4.20)."""
    wish = Metric(REBIRTH, timestamp_ms=now_ms, datatype=DataType.BOOLEAN, value=True)
    return encode(Payload((wish,), timestamp_ms=now_ms))


def _encode_metric(metric: Metric) -> bytes:
    out = bytearray()
    if metric.name is not None:
        out += put_bytes(1, metric.name.encode())
    for number, value in ((2, metric.alias), (3, metric.timestamp_ms), (4, metric.datatype)):
        if value is not None:
            out += put_varint(number, value)
    null = metric.is_null or metric.value is None
    for number, flag in ((5, metric.is_historical), (6, metric.is_transient), (7, null)):
        if flag:
            out += put_varint(number, 1)
    if metric.properties:
        out += put_bytes(9, _encode_properties(metric.properties))
    if not null:
        out += _encode_value(metric)
    return bytes(out)


def _encode_value(metric: Metric) -> bytes:
    value, datatype, name = metric.value, metric.datatype, metric.name or ""
    if datatype is None or not isinstance(value, bool | int | float | str | bytes):
        raise ContractError("only single values with a data type are sent", field=name or "metric")
    return _encode_scalar(value, datatype, 10, name)


def _encode_scalar(value: Scalar, datatype: DataType, first: int, name: str) -> bytes:
    """A value of a data type in the field that is its own, counted from that of `int_value`."""
    if (datatype in SIGNED or datatype in UNSIGNED) and isinstance(value, int) and not isinstance(value, bool):
        return put_varint(first + (datatype in LONG), travelling(value, datatype, name))
    if datatype in (DataType.FLOAT, DataType.DOUBLE) and isinstance(value, int | float) and not isinstance(value, bool):
        single = datatype is DataType.FLOAT
        return put_float(first + 2, value) if single else put_double(first + 3, value)
    if datatype is DataType.BOOLEAN and isinstance(value, bool):
        return put_varint(first + 4, int(value))
    if datatype in TEXTS and isinstance(value, str):
        return put_bytes(first + 5, value.encode())
    if datatype in (DataType.BYTES, DataType.FILE) and isinstance(value, bytes):
        return put_bytes(first + 6, value)
    raise unfit(value, datatype, name)


def _encode_properties(properties: Mapping[str, Scalar | None]) -> bytes:
    out = bytearray()
    for key in properties:
        out += put_bytes(1, key.encode())
    for key, value in properties.items():
        datatype = _type_of(value, key)
        head = put_varint(1, datatype)
        out += put_bytes(2, head + (put_varint(2, 1) if value is None else _encode_scalar(value, datatype, 3, key)))
    return bytes(out)


def _type_of(value: Scalar | None, key: str) -> DataType:
    if isinstance(value, bool):
        return DataType.BOOLEAN
    if isinstance(value, int):
        return DataType.INT32 if -(2**31) <= value < 2**31 else DataType.INT64
    if isinstance(value, float):
        return DataType.DOUBLE
    if value is None or isinstance(value, str):
        return DataType.STRING
    raise ContractError("a property is no bytes", field=key, fix="a text, a number or a bool")
