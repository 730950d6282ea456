"""What is taken for the keys of a meter, and what is said of what is not, without showing it."""

from collections.abc import Mapping

import pytest

from gateway.faults import Refusal
from gateway.keys.rules import checked

KEY = "a1b2c3d4e5f60718293a4b5c6d7e8f90"


@pytest.mark.parametrize("text", [KEY, KEY.upper(), " ".join(KEY[at : at + 2] for at in range(0, 32, 2)), f"{KEY}\n"])
def test_one_key_has_one_spelling(text: str) -> None:
    """Blanks, colons and capitals count for nothing."""
    assert checked({"encryption": text}) == {"encryption": KEY}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "encryption"),
        ({"encryption": " "}, "encryption"),
        ({"encryption": KEY[:-2]}, "encryption"),
        ({"encryption": KEY, "authentication": "g" * 32}, "authentication"),
        ({"authentication": KEY}, "encryption"),
        ({"password": "p" * 65}, "password"),
        ({"password": "a\tb"}, "password"),
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(given: Mapping[str, str], field: str) -> None:
    """The fault names the field and the fix."""
    with pytest.raises(Refusal) as refused:
        checked(given)
    assert refused.value.field == field
    assert refused.value.fix
    said = f"{refused.value.detail} {refused.value.faults}"
    assert not any(text.strip() and text in said for text in given.values())


def test_a_password_alone_is_enough() -> None:
    """A meter that is polled may need no more."""
    assert checked({"password": "12345678"}) == {"password": "12345678"}
