"""When two agents use one id, and when one has merely restarted."""

from datetime import UTC, datetime, timedelta

from gateway.fleet.store.devices import Boot
from gateway.fleet.twins import alternating, is_repeat

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def boot(name: str, at: datetime = NOON) -> Boot:
    return Boot(name, at, at, at, None, None, None)


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
