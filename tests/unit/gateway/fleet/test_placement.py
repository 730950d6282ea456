"""Which points the meters of a registration take: what a swap is, and what is none."""

from datetime import UTC, datetime, timedelta

from gateway.fleet.meters import KnownMeter
from gateway.fleet.placement import AHEAD, Plan, Point, Snapshot, departures, plan

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PORT = "/dev/ttyUSB0"


def meter(key: str, port: str = PORT, **changes: object) -> KnownMeter:
    return KnownMeter(key=key, protocol="p1", port=port, **changes)  # type: ignore[arg-type]


def point(number: int, slot: int = 1, **changes: object) -> Point:
    return Point(number, PORT, "", slot, **changes)  # type: ignore[arg-type]


def snapshot(**since: datetime) -> Snapshot:
    return Snapshot(1, "b1", NOON, since)


def test_the_first_meter_of_a_port_gets_a_new_point() -> None:
    """Nothing is closed; a second meter of the same line gets the next slot."""
    result = plan([], {}, [meter("A:1"), meter("B:1")], [])
    assert result == Plan([], [("A:1", Point(None, PORT, "", 1)), ("B:1", Point(None, PORT, "", 2))])


def test_a_meter_that_stays_changes_nothing() -> None:
    """A registration that comes again opens and closes no stay."""
    here = point(1, occupant="A:1")
    assert plan([here], {"A:1": here}, [meter("A:1")], []) == Plan()


def test_a_swap_gives_the_new_meter_the_point_of_the_old_one() -> None:
    """Also where other points of the port are free, and the new meter has stood at one of them."""
    here, free = point(1, occupant="A:1"), point(2, 2, last="B:1", vacated_at=NOON - HOUR)
    assert plan([here, free], {"A:1": here}, [meter("B:1")], ["A:1"]) == Plan(["A:1"], [("B:1", here)])


def test_a_meter_that_is_merely_silent_keeps_its_point() -> None:
    """Another that comes beside it gets a point of its own, as two meters may share a line."""
    here = point(1, occupant="A:1")
    assert plan([here], {"A:1": here}, [meter("B:1")], []) == Plan([], [("B:1", Point(None, PORT, "", 2))])


def test_a_meter_comes_back_to_its_own_point() -> None:
    """Else to the one left last, else to the lowest that nobody ever stood at."""
    never = [point(4, 4), point(3, 3)]
    old, late = point(1, last="A:1", vacated_at=NOON - 2 * HOUR), point(2, 2, last="B:1", vacated_at=NOON - HOUR)
    points = [*never, old, late]
    assert plan(points, {}, [meter("A:1")], []).open == [("A:1", old)]
    assert plan(points, {}, [meter("C:1")], []).open == [("C:1", late)]
    assert plan(never, {}, [meter("C:1")], []).open == [("C:1", never[1])]


def test_a_meter_moves_to_another_port_or_device() -> None:
    """Its stay ends where it stood, and begins where it is."""
    there = Point(9, "/dev/ttyUSB1", "", 1, occupant="A:1")
    assert plan([there], {"A:1": there}, [meter("A:1")], []) == Plan(["A:1"], [("A:1", Point(None, PORT, "", 1))])
    elsewhere = Point(9, "", "", 0)
    assert plan([], {"A:1": elsewhere}, [meter("A:1")], []).close == ["A:1"]


def test_a_meter_behind_another_has_a_point_by_its_channel() -> None:
    """In the slot of the meter that carries it; one that takes a channel sends the meter away that stood there."""
    main, gas = meter("E:1"), meter("G:1", parent="E:1", facts={"channel": "1"})
    result = plan([], {}, [gas, main], [])
    assert result.open == [("E:1", Point(None, PORT, "", 1)), ("G:1", Point(None, PORT, "1", 1))]
    here, channel = point(1, occupant="E:1"), Point(2, PORT, "1", 1, occupant="W:1")
    assert plan([here, channel], {"E:1": here}, [main, gas], []) == Plan(["W:1"], [("G:1", channel)])


def test_meters_that_change_places_both_leave_and_come() -> None:
    """Of two lines whose plugs were changed round neither meter is lost."""
    one, two = point(1, occupant="A:1"), Point(2, "/dev/ttyUSB1", "", 1, occupant="B:1")
    shown = [meter("A:1", two.port), meter("B:1", one.port)]
    result = plan([one, two], {"A:1": one, "B:1": two}, shown, [])
    assert sorted(result.close) == ["A:1", "B:1"]
    assert result.open == [("A:1", two), ("B:1", one)]


def test_a_meter_has_left_as_its_successor_came() -> None:
    """Or as it came elsewhere itself, or as another came to its port; else as we heard of it."""
    here = point(1, occupant="A:1")
    assert departures(Plan(["A:1"], [("B:1", here)]), [here], snapshot(**{"B:1": NOON - HOUR})) == [NOON - HOUR]
    moved = Plan(["A:1"], [("A:1", Point(None, "/dev/ttyUSB1", "", 1))])
    assert departures(moved, [here], snapshot(**{"A:1": NOON - HOUR})) == [NOON - HOUR]
    beside = Plan(["A:1"], [("B:1", point(2, 2)), ("C:1", point(3, 3))])
    since = snapshot(**{"B:1": NOON - HOUR, "C:1": NOON - 2 * HOUR})
    assert departures(beside, [here], since) == [NOON - 2 * HOUR]
    assert departures(Plan(["A:1"]), [here], snapshot()) == [NOON]


def test_a_device_that_is_ahead_is_not_believed() -> None:
    """A minute may be its clock's error; beyond it, and without its word, ours counts."""
    word = snapshot(near=NOON + AHEAD, far=NOON + 2 * AHEAD)
    assert [word.since_when(key) for key in ("near", "far", "none")] == [NOON + AHEAD, NOON, NOON]
