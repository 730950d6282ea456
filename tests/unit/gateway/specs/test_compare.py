"""Where two versions of a spec differ over the same frames."""

from datetime import UTC, datetime, timedelta

from gateway.specs.compare import MAX_LISTED, KeptFrame, compare
from gateway.specs.reports import comparison_view
from meters.specs.spec import Spec, load_spec
from meters.wires.encode.p1 import encode_p1

START = datetime(2026, 11, 23, 10, tzinfo=UTC)


def spec(version: int, more: str = "") -> Spec:
    text = f"""
name: acme-one
version: {version}
product: {{name: One}}
match: {{protocol: p1}}
source: [a test]
standard: true
{more}
"""
    return load_spec(text, origin="test")


def frame(number: int, *lines: str) -> KeptFrame:
    data = encode_p1("ACM5ONE", lines) if lines else b"no telegram"
    return KeptFrame(number, f"ACM:{number % 2}", START - timedelta(minutes=number), data)


IMPORT, POWER = "1-0:1.8.0(001234.500*kWh)", "1-0:1.7.0(00.482*kW)"


def test_the_same_readings_are_no_difference() -> None:
    """However a value is written, and whatever the documents say beside."""
    new = spec(2, "points: [{obis: 1-0:1.8.0, scale: '1.000'}]")
    found = compare(spec(1), new, [frame(1, IMPORT, POWER), frame(2, IMPORT)])
    assert (found.frames, found.same, found.different, found.listed) == (2, 2, 0, [])
    assert found.since == START - timedelta(minutes=2)


def test_each_reading_that_differs_is_listed_and_counted() -> None:
    """Another value, a reading that is gone, and how many frames and meters have each."""
    new = spec(2, "exclude: ['1-0:1.7.0']\npoints: [{obis: 1-0:1.8.0, scale: '10'}]")
    found = compare(spec(1), new, [frame(1, IMPORT, POWER), frame(2, IMPORT), frame(3)])
    assert (found.frames, found.same, found.different, found.unreadable) == (3, 0, 2, 1)
    told = [(one.frame, one.meter, one.what, one.old, one.new) for one in found.listed]
    assert told == [
        (1, "ACM:1", "1-0:1.7.0", "0.482 kW", None),
        (1, "ACM:1", "1-0:1.8.0", "1234.5 kWh", "12345 kWh"),
        (2, "ACM:0", "1-0:1.8.0", "1234.5 kWh", "12345 kWh"),
    ]
    assert found.tallies["1-0:1.8.0"].frames == 2
    assert found.tallies["1-0:1.8.0"].meters == {"ACM:0", "ACM:1"}


def test_a_telegram_that_one_refuses_is_one_difference() -> None:
    """What the new version no longer reads, or reads at last, is counted apart from single readings."""
    strict = "points: [{obis: 1-0:2.8.0}]"
    lost = compare(spec(1), spec(2, strict), [frame(1, IMPORT)])
    assert (lost.only_old, lost.only_new, [one.what for one in lost.listed]) == (1, 0, ["telegram"])
    assert "1-0:2.8.0" in (lost.listed[0].new or "")
    won = compare(spec(1, strict), spec(2), [frame(1, IMPORT)])
    assert (won.only_old, won.only_new) == (0, 1)
    assert compare(spec(1, strict), spec(2, strict), [frame(1, IMPORT)]).same == 1


def test_the_meters_clock_is_compared_too() -> None:
    """A zone that was wrong moves every reading in time."""
    stamp = "0-0:1.0.0(231102121550W)"
    zones = [spec(n, f"time: {{zone: {zone}}}") for n, zone in ((1, "Europe/Dublin"), (2, "Europe/Amsterdam"))]
    (difference,) = compare(zones[0], zones[1], [frame(1, stamp, IMPORT)]).listed
    assert (difference.what, difference.old, difference.new) == ("at", "2023-11-02T12:15:50Z", "2023-11-02T11:15:50Z")


def test_the_list_is_bounded_and_the_counts_are_not() -> None:
    """A version that changes everything is told in a page."""
    new = spec(2, "points: [{obis: 1-0:1.8.0, scale: '10'}]")
    found = compare(spec(1), new, [frame(number, IMPORT) for number in range(MAX_LISTED + 50)])
    assert len(found.listed) == MAX_LISTED
    assert found.tallies["1-0:1.8.0"].frames == found.different == MAX_LISTED + 50


def test_what_differs_most_often_is_told_first() -> None:
    """Of readings that differ equally often, by code."""
    new = spec(2, "exclude: ['1-0:1.7.0']\npoints: [{obis: 1-0:1.8.0, scale: '10'}]")
    view = comparison_view(compare(spec(1), new, [frame(1, IMPORT), frame(2, IMPORT, POWER), frame(3)]))
    assert [(one.code, one.frames, one.meters) for one in view.codes] == [("1-0:1.8.0", 2, 2), ("1-0:1.7.0", 1, 1)]
    assert (view.frames, view.different, view.unreadable, len(view.differences)) == (3, 2, 1, 3)
