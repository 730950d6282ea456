"""What is no mapping is refused, naming the field and the fix."""

from decimal import Decimal
from typing import Any

import pytest

from broker.errors import ContractError
from meters.mappings.load import load_mapping, mapping_from
from meters.mappings.numbers import NumberError, number_of

GOOD: dict[str, Any] = {"format": {"type": "json"}, "meter": "A:{id}", "values": {"1-0:1.8.0": "kwh"}}


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"values": {"1-0:1.8.0": "a..b"}}, "values.1-0:1.8.0.path", "no JMESPath expression"),
        ({"values": {"1-0:1.8.0": "nothing(a)"}}, "values.1-0:1.8.0.path", "there is no function nothing"),
        ({"values": {"1-0:1.8.0": "[@,@][]|" * 9 + "a"}}, "values.1-0:1.8.0.path", "multi-selects; at most"),
        ({"values": {"1-0:1.8.0": "a." * 140 + "b"}}, "values.1-0:1.8.0.path", "at most 256"),
        ({"values": {"energy": "kwh"}}, "values.energy", "no OBIS code"),
        ({"values": {"1-0:1.8.0": {"path": "a", "unit": "V"}}}, "mapping", "'V' does not measure 1-0:1.8.0"),
        ({"values": {"6-0:1.0.0": {"path": "a"}}}, "mapping", "leaves this code's unit open"),
        ({"values": {"1-0:1.8.0": {"path": "a", "scale": 0.1}}}, "values.1-0:1.8.0.scale", "write the number as text"),
        ({"values": {}}, "mapping", "gives nothing"),
        ({"meter": None}, "mapping", "say which meter"),
        ({"meter": "A:{id"}, "meter", "a brace without its partner"),
        ({"meter": "A:{}"}, "meter", "no JMESPath expression"),
        ({"time": {"at": "t", "format": "%H:%M"}}, "time.format", "names no whole date"),
        ({"time": {"at": "t", "format": "%Y-%m-%d %Q"}}, "time.format", "can be read"),
        ({"time": {"at": "t", "zone": "Berlin"}}, "time.zone", "is no IANA zone"),
        ({"topic": "tele/{Meter}/x"}, "topic.0", "is no text"),
        ({"topic": "a/#/b"}, "topic.0", "in the last level alone"),
        ({"topic": "a/{m}/{m}"}, "topic.0", "stands twice"),
        ({"records": ["a", "b", "c", "d", "e"]}, "records", "at most 4"),
        ({"format": {"type": "xml"}}, "format.type", "must be"),
        ({"format": {"type": "csv", "decimal": ",", "thousands": ","}}, "format", "same sign"),
        ({"colour": "red"}, "colour", "is not known here"),
        ({"goldens": [{"name": "x"}]}, "goldens.0", "exactly one of payload and base64"),
    ],
)
def test_a_field_that_is_wrong_is_named_with_its_fix(change: dict[str, Any], field: str, says: str) -> None:
    document = {name: value for name, value in (GOOD | change).items() if value is not None}
    with pytest.raises(ContractError) as refused:
        mapping_from(document, origin="api")
    assert refused.value.field.startswith(field)
    assert says in str(refused.value)
    assert refused.value.fix


def test_a_document_is_bounded() -> None:
    with pytest.raises(ContractError, match="at most 65536 bytes"):
        load_mapping("x" * 70_000, origin="api")


@pytest.mark.parametrize(
    ("text", "decimal", "thousands", "value"),
    [("1.234,5", ",", ".", "1234.5"), ("1 234.5", ".", " ", "1234.5"), ("-1,5", ",", "", "-1.5"),
     ("\u22122.5", ".", "", "-2.5"), ("1e3", ".", "", "1e3"), ("0012", ".", "", "12"),
     ("1.234.567", ",", ".", "1234567")],
)  # fmt: skip
def test_numbers_are_read_as_the_source_writes_them(text: str, decimal: str, thousands: str, value: str) -> None:
    assert number_of(text, decimal, thousands) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "decimal", "thousands"),
    [("1.234", ",", ""), ("0.123", ",", "."), ("1,234", ".", ""), ("12,34", ".", ","), ("0x10", ".", ""),
     ("٣", ".", ""),
     ("1_000", ".", ""), ("", ".", ""), ("inf", ".", "")],
)  # fmt: skip
def test_a_number_that_could_be_read_in_two_ways_is_none(text: str, decimal: str, thousands: str) -> None:
    with pytest.raises(NumberError):
        number_of(text, decimal, thousands)
