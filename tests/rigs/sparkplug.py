"""What a foreign edge node sends, and our own encoder does not: values by alias without a type."""

from typing import Any

from broker.sparkplug.datatypes import DataType
from broker.sparkplug.encoding import encode
from broker.sparkplug.payload import Metric, Payload
from broker.sparkplug.protobuf import put_bytes, put_double, put_varint


def metric(name: str = "", kind: str | None = None, value: Any = None, **more: Any) -> bytes:
    """A field of a payload: a metric; `more` has alias, timestamp, historical. Without a kind the value has no type."""
    alias, at_ms, historical = more.get("alias"), more.get("timestamp"), more.get("historical", False)
    if kind is not None or value is None:
        datatype = DataType[kind.upper()] if kind is not None else None
        one = Metric(name or None, alias, at_ms, datatype, value, is_historical=historical, is_null=value is None)
        return encode(Payload((one,)))
    found = put_bytes(1, name.encode()) if name else b""
    for number, field in ((2, alias), (3, at_ms), (5, int(historical) or None)):
        found += b"" if field is None else put_varint(number, field)
    # as an Int16 or a Double travels
    return put_bytes(2, found + (put_varint(10, value % 2**32) if isinstance(value, int) else put_double(13, value)))


def payload(seq: int | None, *metrics: bytes, timestamp: int = 1_763_892_000_000) -> bytes:
    """A message's payload."""
    return put_varint(1, timestamp) + b"".join(metrics) + (b"" if seq is None else put_varint(3, seq))


def birth(bdseq: int, *metrics: bytes, seq: int = 0) -> bytes:
    """An NBIRTH."""
    return payload(seq, metric("bdSeq", "UInt64", bdseq), metric("Node Control/Rebirth", "Boolean", False), *metrics)
