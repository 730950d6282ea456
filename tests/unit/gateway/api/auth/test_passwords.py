"""Which passwords are taken, and what is kept of them."""

import pytest

from gateway.api.auth.passwords import MOST, NOBODYS, fault_of, fits, kept

GOOD = "seven wet umbrellas"


@pytest.mark.parametrize(
    ("password", "told"),
    [
        (GOOD, ""),
        ("short", "5 characters"),
        ("", "0 characters"),
        ("abababababab", "repeats"),
        ("x" * (MOST + 1), "more than"),
        ("christina-12345", "user's name"),
        ("Ünïcödé is fine", ""),
    ],
)
def test_a_password_that_is_guessed_is_refused(password: str, told: str) -> None:
    """Short, monotonous, endless, or the name: said why; anything else is the user's own choice."""
    assert told in fault_of("christina", password)
    assert bool(told) == bool(fault_of("christina", password))


def test_only_the_password_fits_what_is_kept() -> None:
    """Each time with another salt, never the password itself; what is no hash fits nothing."""
    first, second = kept(GOOD), kept(GOOD)
    assert first != second
    assert GOOD not in first
    assert fits(GOOD, first)
    assert fits(GOOD, second)
    for wrong in (GOOD + " ", GOOD.upper(), "", "x" * (MOST + 1), "\ud800"):
        assert not fits(wrong, first)
    for stored in ("", "scrypt$", "plain$15$8$1$AAAA$AAAA", NOBODYS, first.replace("scrypt", "other")):
        assert not fits(GOOD, stored)
