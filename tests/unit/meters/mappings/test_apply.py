"""What a mapping makes of payloads that are damaged, hostile or strange: never an exception, always a reason."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import ContractError
from meters.mappings.apply import map_payload
from meters.mappings.document import Mapping
from meters.mappings.load import mapping_from
from meters.mappings.types import NOTHING, Mapped, Payload
from meters.mappings.work import work_for

RECEIVED = datetime(2026, 11, 23, 10, tzinfo=UTC)


def mapping(**more: Any) -> Mapping:
    document = {
        "format": {"type": "json"},
        "meter": "ACME:{id}",
        "values": {"1-0:1.8.0": {"path": "kwh", "unit": "kWh"}},
    }
    return mapping_from(document | more, origin="test")


def mapped(body: bytes | str, topic: str | None = None, **more: Any) -> Mapped:
    raw = body.encode() if isinstance(body, str) else body
    return map_payload(mapping(**more), Payload(raw, RECEIVED, topic=topic))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no JSON"),
        (b'{"id":1,"kwh"', "no JSON"),
        (b'{"id":"\xff"}', "no utf-8 text at byte 7"),
        (b'{"id":"a","kwh":1,"kwh":2}', "'kwh' stands twice"),
        (b"[" * 100_000, "nested deeper than 32"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested deeper than 32"),
        (b'{"id":"a","kwh":NaN}', "kwh is missing"),
        (b'{"id":"a","kwh":1e999}', "beyond 1e15"),
        (b'{"id":"a","kwh":' + b"9" * 4000 + b"}", "beyond 1e15"),
        (b'{"id":"a","kwh":' + b"9" * 5000 + b"}", "no JSON"),
        (b'{"id":"a","kwh":true}', "'True' is no number"),
        (b'{"id":"a","kwh":"1,5"}', "'1,5' is no number with a decimal point"),
        (b'{"id":"a","kwh":{}}', "is no number"),
        (b'{"id":{},"kwh":1}', "id is missing"),
        ('{"id":"zä","kwh":1}'.encode(), "is no meter's key"),
        (b'{"id":"' + b"x" * 200 + b'","kwh":1}', "is no meter's key"),
        (b"null", NOTHING),
        (b"[]", NOTHING),
        (b'"text"', "kwh is missing"),
    ],
)
def test_a_bad_payload_gives_nothing_and_its_reason(body: bytes, reason: str) -> None:
    found = mapped(body)
    assert found.gives_nothing
    assert not found.readings
    assert reason in found.reason


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    text = '{"id":"a","kwh":1.5}'
    for body in (b"\xef\xbb\xbf" + text.encode(), text.encode("utf-16")):
        assert mapped(body).readings["ACME:a"][0].values == {"1-0:1.8.0": Decimal("1.5")}


def test_one_bad_record_does_not_stop_the_others() -> None:
    found = mapped('[{"id":"a","kwh":1},{"id":"b","kwh":"x"},{"kwh":3},{"id":"d","kwh":4}]')
    assert sorted(found.readings) == ["ACME:a", "ACME:d"]
    assert found.faulty == 2
    assert str(found.faults[0]).startswith("record 2, values.1-0:1.8.0: 'x' is no number")
    assert found.reason.endswith("(and 1 more)")


def test_an_equal_value_of_one_time_is_passed_over_and_another_one_is_a_fault() -> None:
    found = mapped('[{"id":"a","kwh":1},{"id":"a","kwh":1},{"id":"a","kwh":2}]')
    assert [sample.values for sample in found.readings["ACME:a"]] == [{"1-0:1.8.0": Decimal(1)}]
    assert found.ignored == {"repeated": 1}
    assert "where the payload has 1 before" in found.reason


def test_a_payload_of_no_concern_is_not_one_that_gives_nothing() -> None:
    found = mapped('{"kind":"hello"}', skip="kind == 'hello'")
    assert not found.gives_nothing
    assert found.ignored == {"skipped": 1}


def test_a_function_given_the_wrong_type_is_a_fault_of_its_field() -> None:
    found = mapped('{"id":"a","kwh":"x"}', values={"1-0:1.8.0": {"path": "abs(kwh)"}})
    assert "values.1-0:1.8.0: abs(kwh)" in found.reason


def test_a_step_that_fails_is_a_fault_and_no_exception() -> None:
    assert "records: items(kwh)" in mapped('{"id":"a","kwh":"x"}', records="items(kwh)").reason


def test_a_stamp_without_offset_wants_a_zone() -> None:
    found = mapped('{"id":"a","kwh":1,"t":"2026-01-01T00:00:00"}', time={"at": "t"})
    assert "time.zone says" in found.reason


def test_a_clock_that_was_never_set_gives_no_reading() -> None:
    assert (
        "no time of a clock that was set" in mapped('{"id":"a","kwh":1,"t":0}', time={"at": "t", "format": "s"}).reason
    )


def night(times: list[str], received: str = "2026-10-26T06:00:00+00:00") -> list[str]:
    """The UTC hours and minutes of wall-clock times of Berlin's night of 25 October 2026, as one payload."""
    rows = [{"id": "a", "kwh": number, "t": f"2026-10-25 {time}"} for number, time in enumerate(times)]
    rule = {"at": "t", "format": "%Y-%m-%d %H:%M", "zone": "Europe/Berlin"}
    found = map_payload(mapping(time=rule), Payload(json.dumps(rows).encode(), datetime.fromisoformat(received)))
    by_number = {int(sample.values["1-0:1.8.0"]): sample.at for sample in found.readings["ACME:a"]}
    return [f"{by_number[number]:%H:%M}" for number in range(len(times))]


def test_the_hour_that_occurs_twice_is_told_by_the_order_of_the_records() -> None:
    rising = ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"]
    assert night(rising) == ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00"]
    assert night(rising[::-1]) == ["02:00", "01:30", "01:00", "00:30", "00:00", "23:30"]
    assert night(["02:00", "02:30", "02:00", "02:30"]) == ["00:00", "00:30", "01:00", "01:30"]


def test_hours_that_are_the_same_twice_are_two() -> None:
    assert night(["01:00", "02:00", "02:00", "03:00"]) == ["23:00", "00:00", "01:00", "02:00"]


def test_one_stamp_alone_is_the_pass_nearer_to_the_receipt() -> None:
    assert night(["02:30"], "2026-10-25T00:31:00+00:00") == ["00:30"]
    assert night(["02:30"], "2026-10-25T01:31:00+00:00") == ["01:30"]


def test_the_record_may_say_which_pass_it_is() -> None:
    rows = [{"id": "a", "kwh": 1, "t": "2026-10-25T02:30:00", "dst": flag} for flag in (False, True)]
    found = mapped(json.dumps(rows), time={"at": "t", "zone": "Europe/Berlin", "summer": "dst"})
    assert [sample.at.hour for sample in found.readings["ACME:a"]] == [0, 1]


def test_records_of_one_time_with_a_register_each_are_one_sample() -> None:
    rows = [
        {"id": "a", "r": r, "kwh": 1, "t": f"2026-10-25T02:{m}:00"}
        for m in ("00", "30", "00", "30")
        for r in ("x", "y")
    ]
    values = {
        "1-0:1.8.0": {"path": "kwh", "when": "r == 'x'"},
        "1-0:2.8.0": {"path": "kwh", "when": "r == 'y'"},
    }
    found = mapped(json.dumps(rows), values=values, time={"at": "t", "zone": "Europe/Berlin"})
    assert [len(sample.values) for sample in found.readings["ACME:a"]] == [2, 2, 2, 2]
    assert not found.faults


def test_quarter_hours_named_by_their_beginning_are_shifted() -> None:
    rule = {"at": "t", "shift_s": 900}
    found = mapped('{"id":"a","kwh":1,"t":"2026-11-23T10:00:00Z"}', time=rule)
    assert found.readings["ACME:a"][0].at == RECEIVED + timedelta(minutes=15)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "kwh", "t", "x"]), inner),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
@pytest.mark.parametrize("kind", ["json", "ndjson", "csv", "form", "raw"])
def test_whatever_comes_gives_readings_or_a_reason(kind: str, body: bytes) -> None:
    time = {"at": "t", "format": ["iso", "ms", "%d.%m.%Y %H:%M"], "zone": "Europe/Berlin"}
    events = [{"kind": "{x}", "when": "x", "at": "t", "detail": {"all": "@.x"}}]
    found = mapped(body, format={"type": kind}, time=time, events=events, records=["[]" if kind != "raw" else "@"])
    assert found.values or found.events or found.ignored or found.reason
    assert found.gives_nothing is (not found.readings and not found.events)


TEN = ",".join("@" * 10)


@pytest.mark.parametrize(
    "path",
    ["|".join([f"[{TEN}][]"] * 6), "|".join([f"{{a:[{','.join(['a'] * 9)}][]}}"] * 3), f"[[{TEN}],[{TEN}]]|[{TEN}]"],
)
def test_an_expression_that_would_multiply_what_it_sees_is_refused(path: str) -> None:
    with pytest.raises(ContractError, match="copies of a value; at most 64"):
        mapping(values={"1-0:1.8.0": {"path": path}})


def test_many_members_of_one_record_are_no_copies_of_it() -> None:
    wide = "rows[*].{" + ",".join(f"k{number}:v{number}" for number in range(20)) + "}|[].{k1:k1,k2:k2}"
    mapping(records=[wide])


def test_what_an_expression_makes_is_bounded() -> None:
    """Each in time and memory, whoever wrote the mapping and whatever is sent."""
    many = json.dumps({"id": "1", "kwh": 1, "a": [1] * 40_000, "t": "x" * 100_000, "l": ["y"] * 100_000})
    for more, said in (
        ({"values": {"1-0:1.8.0": {"path": "a[?contains(`[1]`, @)] | [" + ",".join("@" * 30) + "][]|[0]"}}}, "members"),
        ({"values": {"1-0:1.8.0": {"path": "join(t, l)"}}}, "join: a text of"),
        ({"records": ["a"], "values": {"1-0:1.8.0": {"path": "_body.a[?@==`2`]|[0]"}}}, "takes too long"),
        ({"records": ["a", "_body.a[?@==`2`]"], "values": {"1-0:1.8.0": {"path": "value"}}}, "takes too long"),
    ):
        found = map_payload(mapping(**more), Payload(many.encode(), RECEIVED), most_work=300_000)
        assert found.gives_nothing
        assert said in found.reason


def test_the_work_allowed_grows_with_the_payload() -> None:
    """A small payload can't be dear; one that is looked through once never is, whatever its size."""
    dear = json.dumps({"a": list(range(1000))}).encode()
    rule = mapping(records=["a"], values={"1-0:1.8.0": {"path": "_body.a[?@==`-1`]|[0]"}})
    found = map_payload(rule, Payload(dear, RECEIVED))
    assert "takes too long" in found.reason
    assert work_for(dear) < found.work < 2 * work_for(dear)
    rows = [{"id": "1", "at": f"2026-01-01T{n // 60:02}:{n % 60:02}:00Z", "kwh": n} for n in range(1000)]
    body = json.dumps(rows).encode()
    taken = map_payload(mapping(time={"at": "at"}), Payload(body, RECEIVED))
    assert taken.values == 1000
    assert taken.work < len(body), "one step to a byte and more is left"


@pytest.mark.parametrize(("given", "other"), [(",", ";"), (";", ","), ("\t", ";")])
def test_a_csv_of_another_delimiter_is_called_so(given: str, other: str) -> None:
    """In place of each value that is missing; a column whose name alone has one is as it was."""
    table = f"id{given}t{given}kwh\n7{given}2026-11-20T00:00:00Z{given}5\n"
    found = mapped(table, format={"type": "csv", "delimiter": other})
    assert f"is format.delimiter {given!r} in place of {other!r}?" in found.reason
    assert not found.readings
    lone = mapped("Leistung, kW\n12\n", format={"type": "csv"})
    assert "delimiter" not in lone.reason


def test_a_csv_of_empty_cells_is_bounded_in_memory() -> None:
    found = mapped(("x" + ";" * 1000 + "\n") * 5000, format={"type": "csv"})
    assert "more than 4000000 cells" in found.reason


def test_a_detail_that_is_all_of_the_payload_is_cut() -> None:
    body = json.dumps({"id": "1", "kwh": 1, "rows": ["x" * 50] * 1000})
    found = mapped(body, events=[{"kind": "all", "detail": {"all": "_body", "short": "id"}}])
    assert len(found.events[0].detail["all"]) == 2000
    assert found.events[0].detail["short"] == "1"
