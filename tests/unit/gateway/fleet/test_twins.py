"""When two agents use one id, and when one has merely restarted."""

from datetime import UTC, datetime, timedelta

from gateway.fleet.store.devices import Boot
from gateway.fleet.twins import alternating, alternating_hardware, is_repeat

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def boot(name: str, at: datetime = NOON, serial: str | None = None) -> Boot:
    return Boot(name, at, at, at, serial, None, None)


def test_a_restart_is_no_twin() -> None:
    """The first boot of all, a new one after others, and the newest that registers once more."""
    assert alternating([], "a") == ()
    assert alternating([boot("a")], "b") == ()
    assert alternating([boot("b"), boot("a")], "b") == ()


def test_an_older_boot_that_registers_again_is_another_agent() -> None:
    """Also with others between them: those two are the one that registered last, and this one."""
    known = [boot("c"), boot("b"), boot("a")]
    assert alternating(known, "a") == (known[0], known[2])


def test_a_registration_that_comes_twice_says_nothing_new() -> None:
    """By the time at which its device made it: one made later is another."""
    known = [boot("b"), boot("a")]
    assert is_repeat(known, "a", NOON)
    assert is_repeat(known, "a", NOON - HOUR)
    assert not is_repeat(known, "a", NOON + HOUR)
    assert not is_repeat(known, "c", NOON - HOUR)


def test_a_card_that_is_moved_is_no_twin() -> None:
    """To another machine (S1, S2), which starts again there (S2), also where nothing is known of the hardware."""
    first, moved = boot("a", NOON, "S1"), boot("b", NOON + HOUR, "S2")
    again = boot("c", NOON + 2 * HOUR, "S2")
    assert alternating_hardware([], first) == ()
    assert alternating_hardware([first], moved) == ()
    assert alternating_hardware([moved, first], again) == ()
    assert alternating_hardware([moved, first], boot("c", NOON + 2 * HOUR)) == ()
    assert alternating_hardware([boot("b", NOON + HOUR), first], boot("c", NOON + 2 * HOUR, "S1")) == ()


def test_machines_that_take_turns_with_new_boots_are_two() -> None:
    """S1, S2, S1, each time by a new start, also with one between them whose machine is not known."""
    first, other = boot("a", NOON, "S1"), boot("b", NOON + HOUR, "S2")
    unknown, again = boot("x", NOON + 2 * HOUR), boot("c", NOON + 3 * HOUR, "S1")
    assert alternating_hardware([other, first], again) == (other, again)
    assert alternating_hardware([unknown, other, first], again) == (other, again)
    assert alternating_hardware([again, other, first], boot("d", NOON + 4 * HOUR, "S2"))[0] == again


def test_the_same_machine_that_goes_on_starting_is_no_new_sign() -> None:
    """Once the other is silent a restart (S1, S2, S1, S1) tells nothing, nor does the same start once more."""
    first, other = boot("a", NOON, "S1"), boot("b", NOON + HOUR, "S2")
    back = boot("c", NOON + 2 * HOUR, "S1")
    assert alternating_hardware([back, other, first], boot("d", NOON + 3 * HOUR, "S1")) == ()
    assert alternating_hardware([other, first], boot("a", NOON + 3 * HOUR, "S1")) == (), "alternating() tells of that"


def test_machines_that_take_turns_in_days_are_none() -> None:
    """A Pi that is lent for a day and comes back is a card that was moved twice: a day is the bound, both ways."""
    first, other = boot("a", NOON, "S1"), boot("b", NOON + 20 * HOUR, "S2")
    assert alternating_hardware([other, first], boot("c", NOON + 24 * HOUR, "S1")) != ()
    assert alternating_hardware([other, first], boot("c", NOON + 25 * HOUR, "S1")) == ()
