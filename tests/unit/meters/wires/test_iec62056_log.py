"""Log books of IEC 62056-21: headers with and without columns, as EMH and Metcom write them."""

import pytest

from meters.telegram import Frame, ProfileRow, Wire
from meters.wires.encode.iec62056 import encode_iec62056
from meters.wires.iec62056 import parse_iec62056


def entries(*lines: str) -> tuple[ProfileRow, ...]:
    """What a block of these lines says."""
    return parse_iec62056(Frame(Wire.IEC62056_21, encode_iec62056(lines, identification="EMH5", end=""))).log


def test_a_status_word_alone_and_the_clock_before_it_was_set() -> None:
    """Columns keep their text, under codes that are whole; the readout beside it stays what it is."""
    lines = ("0.0.0(12345678)", "P.98(1250826235646)(00008020)()(2)(0.9.1)()(0.9.2)()(1235703)(1250826)",
             "P.98(0251106115553)(00000080)()(0)")  # fmt: skip
    clock, power = entries(*lines)
    assert (clock.at.local.isoformat(), clock.at.dst, clock.status) == ("2025-08-26T23:56:46", True, "00008020")
    assert [(one.address, one.value) for one in clock.records] == [("1-0:0.9.1", "1235703"), ("1-0:0.9.2", "1250826")]
    assert (power.at.local.isoformat(), power.at.dst, power.status, power.records) == (
        "2025-11-06T11:55:53", False, "00000080", (),
    )  # fmt: skip
    telegram = parse_iec62056(Frame(Wire.IEC62056_21, encode_iec62056(lines, identification="EMH5", end="")))
    assert (telegram.facts["serial"], telegram.profile) == ("12345678", ())
    assert [one.address for one in telegram.records] == ["1-0:0.0.0"]


def test_a_code_in_a_column_of_its_own() -> None:
    """Metcom writes the code of IDIS into a column and leaves the status word at 00."""
    (entry,) = entries("P.98(1250906234904)(00)()(2)(0-0:C.11.0)()(0-0:C.11.10)()(4)(0)")
    assert [(one.address, one.value) for one in entry.records] == [("0-0:C.11.0", "4"), ("0-0:C.11.10", "0")]


@pytest.mark.parametrize(
    "line",
    [
        "P.98(ERROR)",
        "P.98(1251306234904)(00)()(0)",
        "P.98(1250906234904)(00)()(two)",
        "P.98(1250906234904)(00)()(2)(0-0:C.11.0)()(0-0:C.11.10)()(4)",
        "P.98(1250906234904)(00)()(9999999)(0.9.1)()",
        "P.98(1250906234904)(00)()(0.5)(0.9.1)()",
        "P.98(1250906234904)(00)",
    ],
)
def test_what_makes_no_sense_is_no_entry(line: str) -> None:
    """Neither an entry nor an error: what else stands in the answer is read."""
    assert len(entries(line, "P.98(1250906234904)(80)()(0)")) == 1
