"""What somebody may enter who has read a meter that came or went."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.faults import Kind, Refusal
from gateway.fleet.registers import RegisterRead, check_value, time_read
from gateway.fleet.store.registers import ReadingBeside, StayRegister

CAME = datetime(2026, 11, 1, tzinfo=UTC)
LEFT = datetime(2026, 11, 20, tzinfo=UTC)
NOW = datetime(2026, 11, 29, tzinfo=UTC)
DAY = timedelta(days=1)


def stay(left: datetime | None = LEFT) -> StayRegister:
    return StayRegister(1, CAME, left, NOW, 7, "1-0:1.8.0", "kWh")


def read(kind: str, at: datetime | None = None, value: float = 10) -> RegisterRead:
    given: dict[str, Any] = {"meter": "LGZ:1", "kind": kind, "obis": "1-0:1.8.0", "value": value, "at": at}
    return RegisterRead(**given)


def test_without_a_time_it_was_read_as_the_meter_came_or_left() -> None:
    """The stay says when."""
    assert time_read(stay(), read("opening")) == CAME
    assert time_read(stay(), read("closing")) == LEFT


def test_an_opening_register_was_read_before_the_meter_left() -> None:
    """Of a meter that stands there, before now."""
    assert time_read(stay(), read("opening", CAME + DAY)) == CAME + DAY
    with pytest.raises(Refusal, match=r"at: .* is not before it left"):
        time_read(stay(), read("opening", LEFT))
    with pytest.raises(Refusal, match=r"at: .* is not before now"):
        time_read(stay(left=None), read("opening", NOW))


@pytest.mark.parametrize("at", [CAME - DAY, NOW + DAY])
def test_a_closing_register_was_read_since_the_meter_came(at: datetime) -> None:
    """It may have been read after it left, as it hung on a wall, but not before it came, nor tomorrow."""
    assert time_read(stay(), read("closing", LEFT + DAY)) == LEFT + DAY
    with pytest.raises(Refusal, match=r"at: .* is not between its coming"):
        time_read(stay(), read("closing", at))


def test_a_meter_that_stands_there_has_no_closing_register() -> None:
    """That is a conflict: it becomes right once another is seen there."""
    with pytest.raises(Refusal) as refused:
        time_read(stay(left=None), read("closing", NOW))
    assert refused.value.kind is Kind.CONFLICT


def test_a_register_only_rises() -> None:
    """To the closing one from the last reading, from the opening one to the first; the same is right."""
    beside = ReadingBeside(CAME + DAY, 10.0)
    for kind, right, wrong in (("closing", 11, 9), ("opening", 9, 11)):
        check_value(read(kind), right, beside)
        check_value(read(kind), 10, beside)
        with pytest.raises(Refusal, match=f"value: {wrong} is (less|more) than the reading (before|after) it, 10 at"):
            check_value(read(kind), wrong, beside)
