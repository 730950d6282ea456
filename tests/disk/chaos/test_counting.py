"""The chaos harness itself: a loss, a repeat and a wrong value are seen as such, and nothing else is."""

import random
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.chaos.count import Stored, longest_silence_s, wrong_readings
from tests.chaos.link import Link, Word
from tests.chaos.picture import Panel, nice, svg
from tests.chaos.soak import seconds
from tests.chaos.truth import Telegram, Truth

METER = "ISK:E1"


def telegram(number: int, *, clocked: bool = True) -> Telegram:
    """The telegram of a second, with its energy and power by its number."""
    return Telegram(METER, number, number % 9000, 1000.0 + number, 1000 + number if clocked else None, b"x%d" % number)


@pytest.fixture
def truth(tmp_path: Path) -> Truth:
    """Ten telegrams of a meter."""
    made = Truth(tmp_path / "truth")
    with made:
        for number in range(10):
            made.record(telegram(number))
    return made


def stored(*numbers: int) -> Stored:
    """Readings of these telegrams as they should stand."""
    found = Stored()
    for number in numbers:
        found.times[METER, number].append(1000.0 + number)
        found.power[METER, 1000.0 + number] = (number % 9000) / 1000
    return found


def test_what_is_as_given_is_right(truth: Truth) -> None:
    """Nothing of it is wrong, and a telegram is on the disk before it counts."""
    assert wrong_readings(stored(*range(10)), truth, set()) == set()
    assert len(truth.path.read_text().splitlines()) == 10


def test_another_time_power_or_value_is_wrong(truth: Truth) -> None:
    """Each of them alone."""
    late, weak, made_up = stored(1), stored(1), stored(99)
    late.times[METER, 1] = [1001.5]
    late.power[METER, 1001.5] = 0.001
    weak.power[METER, 1001.0] = 0.002
    for found in (late, weak, made_up):
        assert len(wrong_readings(found, truth, set())) == 1


def test_a_clock_that_was_moved_excuses_a_time_only_where_it_was_told(truth: Truth) -> None:
    """And by no more than it was moved."""
    truth.clocks_stepped[METER] = (0.0, 60.0)
    found = stored()
    found.times[METER, 1] = [1061.0]
    found.power[METER, 1061.0] = 0.001
    assert wrong_readings(found, truth, set())
    assert not wrong_readings(found, truth, {METER})
    truth.clocks_stepped[METER] = (0.0, 10.0)
    assert wrong_readings(found, truth, {METER})


def test_what_nobody_heard_is_not_given(truth: Truth) -> None:
    """From the kill to the first telegram that came through afterwards."""
    truth.unheard(METER, 1003.0, 1005.0)
    heard = [one.energy_wh for one in truth.heard({METER: {0, 1, 2, 7}})[METER]]
    assert heard == [0, 1, 2, 7, 8, 9]


def test_numbers_between_two_that_came_are_holes() -> None:
    """By device and boot, from 1 on."""
    found = Stored()
    found.messages = {("pi-a", "b1", 2): 0.0, ("pi-a", "b1", 4): 0.0, ("pi-b", "b1", 1): 0.0}
    assert found.holes() == {("pi-a", "b1", 1), ("pi-a", "b1", 3)}


def test_the_longest_silence_is_that_of_any_device() -> None:
    """Not of all together."""
    found = Stored()
    found.readings_stored["a"] = [1.0, 2.0, 3.0, 9.0]
    found.readings_stored["b"] = [1.0, 5.0, 9.0]
    assert longest_silence_s(found, 0.0, 10.0) == 6.0


async def test_a_link_stops_at_the_word_of_a_batch_only() -> None:
    """A COMMIT of another transaction passes; that of one with a COPY of readings is held, and said."""
    link = Link("127.0.0.1", 1, random.Random(1))  # noqa: S311
    link.stop_at(Word.COMMIT)
    commit = b"Q\x00\x00\x00\x0cCOMMIT;\x00"
    await link._see(commit, there=True)
    assert not link.hit.is_set()
    await link._see(b'COPY "reading" ...', there=True)
    held = link._see(commit, there=True)
    # it waits for ever, so it is only begun
    held.send(None)
    assert link.hit.is_set()
    held.close()


def test_times_are_read_as_people_write_them() -> None:
    """And what is none is refused."""
    assert [seconds(text) for text in ("90", "90s", "10m", "1.5h")] == [90.0, 90.0, 600.0, 5400.0]
    with pytest.raises(ValueError, match="no time"):
        seconds("soon")


def test_a_picture_has_a_line_for_each_process() -> None:
    """It is well-formed, and its scale holds all values."""
    picture = svg("a & b", [Panel("memory in MiB", {"pi-a": [(0.0, 1.0), (60.0, 49.0)], "<db>": [(0.0, 3.0)]})])
    root = ET.fromstring(picture)  # noqa: S314 - our own
    assert len(root.findall("{*}polyline")) == 2
    assert nice(49.0) == 50.0
