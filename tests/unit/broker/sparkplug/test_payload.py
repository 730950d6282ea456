"""Sparkplug payloads as bytes: what Google's protobuf wrote is read, and what we write is byte for byte the same."""

import json
import math
import struct
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from broker.errors import ContractError
from broker.sparkplug.datatypes import DataType
from broker.sparkplug.decoding import BYTES_MAX, METRICS_MAX, decode
from broker.sparkplug.encoding import encode, encode_rebirth
from broker.sparkplug.payload import DataSet, Metric, Payload, Template
from broker.sparkplug.protobuf import put_bytes, put_varint

VECTORS: Final[dict[str, Any]] = json.loads((Path(__file__).parents[3] / "data/sparkplug-vectors.json").read_text())
AT: Final = VECTORS["at_ms"]
PYSPARKPLUG: Final = (
    "0880ea9f81ab3312120a0562645365711880ea9f81ab332004580312250a0f4d657465722f312d303a312e382e3010011880"
    "ea9f81ab33200a6900000000004a934012120a015410021880ea9f81ab33200250d8ff0312110a01461880ea9f81ab332009"
    "65cdcccc3d120f0a024f6e1880ea9f81ab33200b7001120f0a01531880ea9f81ab33200c7a017812170a01551880ea9f81ab"
    "3320085880808080808080808001120e0a014e1880ea9f81ab33200a38011800"
)


def vector(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name]["hex"])


def test_each_scalar_type_is_read_with_its_sign() -> None:
    """Negative numbers, in the type's own width or in the field's, and the ends of each range."""
    payload = decode(vector("scalars"))
    assert (payload.timestamp_ms, payload.seq) == (AT, 255)
    assert {one.name: [one.datatype, one.value] for one in payload.metrics} == VECTORS["scalars"]["values"]


BIRTH: Final = Payload(
    (
        Metric("bdSeq", timestamp_ms=AT, datatype=DataType.INT64, value=3),
        Metric("Node Control/Rebirth", timestamp_ms=AT, datatype=DataType.BOOLEAN, value=False),
        Metric(
            "LGZ:1/1-0:1.8.0", 7, AT, DataType.DOUBLE, 12345.678, properties={"engUnit": "kWh", "digits": 6}
        ),
        Metric("gone", 8, AT, DataType.DOUBLE, is_null=True),
        Metric(None, 9, AT, DataType.INT32, -7, is_historical=True),
    ),
    AT,
    0,
)  # fmt: skip


def test_what_is_written_is_what_the_reference_writes() -> None:
    """Byte for byte, and read again it is the same."""
    assert encode(BIRTH).hex() == VECTORS["birth"]["hex"]
    assert decode(encode(BIRTH)) == BIRTH
    rebirth = decode(vector("birth")).metric("Node Control/Rebirth")
    assert rebirth is not None
    assert rebirth.value is False


def test_data_by_alias_gets_name_and_type_of_its_birth() -> None:
    """Without a data type a number's sign is not known: the birth says it."""
    level, net = decode(vector("aliases")).metrics
    assert (level.alias, level.name, level.datatype, level.value) == (7, None, None, 2.5)
    assert net.value == 2**32 - 7
    typed = net.typed(DataType.INT32, "net")
    assert (typed.name, typed.datatype, typed.value) == ("net", DataType.INT32, -7)
    with pytest.raises(ContractError, match=r"net: 2\.5 is no INT32"):
        level.typed(DataType.INT32, "net")
    with pytest.raises(ContractError, match="x: is INT32, and was born as DOUBLE"):
        typed.typed(DataType.DOUBLE, "x")


def test_arrays_tables_and_templates_are_read() -> None:
    """The specification's own examples of arrays; rows with holes; members of a template."""
    assert [one.value for one in decode(vector("arrays")).metrics] == [
        (-30000, 30000),
        (False, False, True, True, False, True, False, False, True, True, False, True),
        ("ABC", "hello"),
    ]
    table, pump = (one.value for one in decode(vector("structures")).metrics)
    assert table == DataSet(("a", "b"), (DataType.INT32, DataType.STRING), ((-1, "x"), (2, None)))
    assert isinstance(pump, Template)
    assert (pump.ref, pump.version, pump.is_definition) == ("Pump", "2", False)
    assert [(one.name, one.value) for one in pump.metrics] == [("rpm", 1500)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("12", "a number is cut off"),
        ("0a05", "field 1 is cut off"),
        ("08ffffffffffffffffffff01", "longer than ten"),
        ("0b", "wire type 3"),
        ("00", "no field's number"),
        ("12030a01ff", "no UTF-8"),
        ("12022063", "99 is no data type"),
        ("1205200150ac02", "300 is no INT8"),
        ("1205200b7a0161", "is no BOOLEAN"),
        ("120820178201 03000000", "is no INT16_ARRAY"),
        ("12054a030a0161", "1 keys and 0 values"),
        ("0d00000000", "a number is wanted"),
    ],
)
def test_what_is_no_payload_is_refused(data: str, reason: str) -> None:
    """With a reason that says what is wrong."""
    with pytest.raises(ContractError) as caught:
        decode(bytes.fromhex(data))
    assert reason in str(caught.value)


def test_templates_too_deep_are_refused() -> None:
    """A small message must not take the stack."""
    data = b""
    for _ in range(20):
        inner = b"\x12" + bytes([len(data)]) + data if data else b""
        data = b"\x92\x01" + bytes([len(inner)]) + inner
    with pytest.raises(ContractError, match="deep"):
        decode(b"\x12" + bytes([len(data)]) + data)


def _metrics(number: int) -> bytes:
    return put_bytes(2, b"") * number


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (put_bytes(9, bytes(BYTES_MAX)), "bytes"),
        (_metrics(METRICS_MAX + 1), "more than 10000 metrics"),
        (put_bytes(2, put_bytes(18, _metrics(METRICS_MAX))), "more than 10000 metrics"),
        (put_bytes(2, put_bytes(17, put_bytes(4, b"") * (METRICS_MAX + 1))), "more than 10000 metrics"),
    ],
)
def test_what_would_take_much_memory_is_refused(data: bytes, reason: str) -> None:
    """Bytes; metrics and rows, at whatever depth."""
    with pytest.raises(ContractError, match=reason):
        decode(data)


def test_as_many_metrics_as_may_be_are_read() -> None:
    """The bound itself."""
    assert len(decode(_metrics(METRICS_MAX)).metrics) == METRICS_MAX


@pytest.mark.parametrize("sent", [0.1, 234.5, 16777216.0, 12345.678, 3.4028234663852886e38, 0.0, -0.2, math.inf])
def test_a_float_is_the_shortest_number_that_is_the_same(sent: float) -> None:
    """0.1 and not 0.10000000149; of 32 bit it stays the same to the bit."""
    (one,) = decode(encode(Payload((Metric("f", datatype=DataType.FLOAT, value=sent),)))).metrics
    assert isinstance(one.value, float)
    assert struct.pack("<f", one.value) == struct.pack("<f", sent)
    assert len(repr(one.value)) <= len(repr(sent))


def test_a_host_that_wants_single_values_loses_none_by_what_stands_beside_it() -> None:
    """A broken table or property, a type that is unknown, a value that is no such type: the others are read."""
    data = (
        put_bytes(2, put_bytes(1, b"table") + put_bytes(17, b"\x0b"))
        + put_bytes(2, put_bytes(1, b"odd") + put_varint(4, 99) + put_varint(10, 5))
        + put_bytes(2, put_bytes(1, b"misfit") + put_varint(4, DataType.BOOLEAN) + put_varint(10, 1))
        + put_bytes(
            2, put_bytes(1, b"unit") + put_varint(4, DataType.INT8) + put_varint(10, 255) + put_bytes(9, b"\xff")
        )
    )
    with pytest.raises(ContractError):
        decode(data)
    found = decode(data, plain=True).metrics
    assert [(one.name, one.value) for one in found] == [("table", None), ("odd", 5), ("misfit", 1), ("unit", -1)]
    with pytest.raises(ContractError):
        decode(b"\x12\x05", plain=True)


def test_another_library_s_birth_is_read() -> None:
    """As pysparkplug 0.6.1 (Apache-2.0) writes it: an Int16 in sixteen bits, a null, a sequence number of zero."""
    read = decode(bytes.fromhex(PYSPARKPLUG))
    assert (read.timestamp_ms, read.seq) == (1_763_892_000_000, 0)
    assert {one.name: one.value for one in read.metrics} == {
        "bdSeq": 3, "Meter/1-0:1.8.0": 1234.5, "T": -40, "F": 0.1, "On": True, "S": "x", "U": 2**63, "N": None,
    }  # fmt: skip


def test_a_rebirth_is_asked_for_as_nodes_read_it__tck_id_operational_behavior_data_commands_rebirth_name() -> None:
    """A Boolean called Node Control/Rebirth, true; without a sequence number."""
    asked = decode(encode_rebirth(AT))
    assert asked == Payload((Metric("Node Control/Rebirth", None, AT, DataType.BOOLEAN, value=True),), AT)


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (Metric("m", datatype=DataType.INT8, value=128), "m: 128 is no INT8"),
        (Metric("m", datatype=DataType.UINT32, value=-1), "m: -1 is no UINT32"),
        (Metric("m", datatype=DataType.BOOLEAN, value=1), "m: 1 is no BOOLEAN"),
        (Metric("m", datatype=DataType.INT32, value=True), "m: True is no INT32"),
        (Metric("m", datatype=DataType.FLOAT, value=1e300), "beyond a float"),
        (Metric("m", value=1.0), "m: only single values with a data type"),
    ],
)
def test_a_value_that_its_type_cant_be_is_not_sent(metric: Metric, reason: str) -> None:
    """Rather than a wrong number."""
    with pytest.raises(ContractError, match=reason):
        encode(Payload((metric,)))


@given(some.binary(max_size=120), some.booleans())
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_a_payload_or_a_contract_error(data: bytes, plain: bool) -> None:
    """Whatever a foreign sender sends."""
    try:
        decode(data, plain=plain)
    except ContractError:
        return


_VALUES = some.one_of(
    some.tuples(some.just(DataType.INT16), some.integers(-(2**15), 2**15 - 1)),
    some.tuples(some.just(DataType.INT64), some.integers(-(2**63), 2**63 - 1)),
    some.tuples(some.just(DataType.UINT64), some.integers(0, 2**64 - 1)),
    some.tuples(some.just(DataType.DOUBLE), some.floats(allow_nan=False)),
    some.tuples(some.just(DataType.STRING), some.text()),
    some.tuples(some.just(DataType.BYTES), some.binary()),
    some.tuples(some.just(DataType.BOOLEAN), some.booleans()),
)


@given(some.lists(some.tuples(some.text(min_size=1), some.integers(0, 2**64 - 1), _VALUES), max_size=4))
@settings(max_examples=100, deadline=None)
def test_what_was_sent_is_what_is_read(found: list[tuple[str, int, tuple[DataType, Any]]]) -> None:
    """Any names, aliases and values."""
    payload = Payload(tuple(Metric(name, alias, AT, kind, value) for name, alias, (kind, value) in found), AT, 1)
    assert decode(encode(payload)) == payload
