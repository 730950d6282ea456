"""Meters at one line take turns."""

from device.ports.turns import Turns


def test_each_has_its_turn_after_the_last_one() -> None:
    """In the order of addresses, those of which nothing is due left out, and one that is gone forgotten."""
    turns, all_of_them = Turns(), ("1", "2", "3")
    assert [turns.next_of(all_of_them, all_of_them) for _ in range(4)] == ["1", "2", "3", "1"]
    assert [turns.next_of(all_of_them, ("1", "3")) for _ in range(3)] == ["3", "1", "3"]
    assert turns.next_of(("5", "6"), ("6",)) == "6"
    assert turns.next_of(("5", "6"), ("6",)) == "6"
