"""Which secrets a meter can use, by its spec and its telegrams."""

import pytest

from gateway.keys.rules import usable

KEYS = ("encryption", "authentication")


@pytest.mark.parametrize(
    ("authentication", "key_ref", "password_ref", "ciphered", "wanted"),
    [
        (None, None, None, False, ()),
        (None, "meter-key", None, False, KEYS),
        (None, None, None, True, KEYS),
        ("none", None, None, False, ()),
        ("lls", "reader", None, False, ("password",)),
        ("hls5", "reader", None, False, KEYS),
        (None, None, "emh-reader", False, ("password",)),
        (None, None, "emh-reader", True, (*KEYS, "password")),
    ],
)
def test_what_a_meter_can_use(
    authentication: str | None,
    key_ref: str | None,
    password_ref: str | None,
    *,
    ciphered: bool,
    wanted: tuple[str, ...],
) -> None:
    """`decode.key_ref` names a password where LLS asks, else keys."""
    assert usable(authentication, key_ref=key_ref, password_ref=password_ref, ciphered=ciphered) == wanted
