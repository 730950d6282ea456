"""Lines of InfluxDB's line protocol, taken apart again by its rules."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from outlet.lines.protocol import line
from outlet.spans.cursor import together
from outlet.spans.store import Span
from tests.rigs.line_receiver import Point, parse

AT = datetime(2026, 11, 30, 12, 0, 0, 123456, tzinfo=UTC)


def test_a_reading_is_one_line_with_the_tags_that_never_change() -> None:
    """Measurement, meter, OBIS code, unit, value as a float, nanoseconds."""
    assert line("reading", "LGZ:1", "1-0:1.8.0", "kWh", AT, 12345.678) == (
        "reading,meter=LGZ:1,obis=1-0:1.8.0,unit=kWh value=12345.678 1796040000123456000"
    )
    assert line("reading", "LGZ:1", "1-0:13.7.0", "", AT, 1.0) == (
        "reading,meter=LGZ:1,obis=1-0:13.7.0 value=1.0 1796040000123456000"
    ), "an empty tag would be refused"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_the_protocol_cant_say_is_no_line(value: float) -> None:
    """It knows no such numbers."""
    assert line("reading", "M", "1-0:1.8.0", "kWh", AT, value) is None


@given(
    some.text(some.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=96),
    some.text(some.sampled_from("ab,= \\#\n"), min_size=1, max_size=8),
    some.floats(allow_nan=False, allow_infinity=False),
)
def test_any_meter_key_is_escaped_so_that_the_line_stays_one(key: str, measurement: str, value: float) -> None:
    """Commas, equal signs, blanks, backslashes: what comes out is one point, and keys that differ stay apart."""
    made = line(measurement, key, "1-0:1.8.0", "kWh", AT, value)
    assert made is not None
    (point,) = parse(made)
    end = "_" if key.endswith("\\") else ""
    assert point == Point(point.measurement, key + end, "1-0:1.8.0", "kWh", value, point.at_ns)


def test_spans_of_the_same_hour_are_one_question() -> None:
    """Commits of every second would be as many queries; another hour's stays apart."""

    def span(number: int, minutes: float, *series: int) -> Span:
        at = AT + timedelta(minutes=minutes)
        return Span(str(number), number, AT, at, at, list(series))

    found = together([span(1, 0, 1, 2), span(2, 1, 2, 3), span(3, 60, 1)])
    assert [(one.from_at, one.until_at, one.series) for one in found] == [
        (AT, AT + timedelta(minutes=1), [1, 2, 3]),
        (AT + timedelta(hours=1), AT + timedelta(hours=1), [1]),
    ]
