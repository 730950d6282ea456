"""Keys of foreign messages: a redelivery repeats one, an equal reading of later does not."""

from intake.bridge.identity import Deliveries, chance_key, next_turns, retained_key

NOW_S = 1_800_000_000.0
DAY_S = 86_400


def test_a_redelivery_has_the_key_of_the_first_delivery() -> None:
    """In one process, however late, while the packet id was not used again."""
    deliveries = Deliveries("wattline-bridge", DAY_S)
    first = deliveries.new(7, "a/b", b"1", NOW_S)
    assert deliveries.again(7, "a/b", b"1") == first
    assert deliveries.again(7, "a/b", b"2") is None
    assert deliveries.again(8, "a/b", b"1") is None


def test_an_equal_reading_of_later_is_another() -> None:
    """Its packet id is another one, or the same after all others had their turn."""
    deliveries = Deliveries("wattline-bridge", DAY_S)
    keys = [deliveries.new(7, "a/b", b"1", NOW_S), deliveries.new(8, "a/b", b"1", NOW_S + 1)]
    keys += [deliveries.new(7, "a/b", b"1", NOW_S + second) for second in (60, 120, 7200)]
    assert len(set(keys)) == 5
    assert deliveries.again(7, "a/b", b"1") == keys[-1]


def test_after_a_restart_the_key_is_among_the_candidates() -> None:
    """Up to the session's expiry, as nobody else remembers when it came first."""
    first = Deliveries("wattline-bridge", DAY_S).new(7, "a/b", b"1", NOW_S)
    for later_s in (1, 3599, 3601, DAY_S):
        after = Deliveries("wattline-bridge", DAY_S)
        assert after.again(7, "a/b", b"1") is None
        assert first in after.candidates(7, "a/b", b"1", NOW_S + later_s)
    other = Deliveries("wattline-bridge-b", DAY_S)
    assert first not in other.candidates(7, "a/b", b"1", NOW_S)


def test_what_the_store_knew_is_known_from_then_on() -> None:
    """And the next equal message counts on from there."""
    first = Deliveries("wattline-bridge", DAY_S).new(7, "a/b", b"1", NOW_S)
    after = Deliveries("wattline-bridge", DAY_S)
    after.known(7, first)
    assert after.again(7, "a/b", b"1") == first
    assert after.new(7, "a/b", b"1", NOW_S + 1) == next(next_turns(first))


def test_topic_and_body_are_told_apart() -> None:
    """No letter may wander from one into the other."""
    assert retained_key("ab", b"c") != retained_key("a", b"bc")
    assert retained_key("ab", b"c") == retained_key("ab", b"c")
    assert chance_key() != chance_key()
