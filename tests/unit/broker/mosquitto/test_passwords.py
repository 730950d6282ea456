"""Hashed passwords, and password files of before."""

import base64
import hashlib

import pytest

from broker.errors import ContractError
from broker.mosquitto.passwords import PasswordHash, hashed, read_password_file


def _line(user: str, of: PasswordHash) -> str:
    return f"{user}:$7${of.iterations}${of.salt}${of.key}"


def test_a_hash_is_pbkdf2_with_sha512() -> None:
    """It can be recomputed from what it says of salt and iterations."""
    found = hashed("secret")
    expected = hashlib.pbkdf2_hmac("sha512", b"secret", base64.b64decode(found.salt), found.iterations)
    assert base64.b64decode(found.key) == expected
    assert len(base64.b64decode(found.salt)) == 12


def test_each_hash_has_a_salt_of_its_own() -> None:
    """Two users with the same password cannot be told to have it."""
    assert hashed("same").salt != hashed("same").salt


def test_an_empty_password_is_refused() -> None:
    """An empty password would let anybody be that device."""
    with pytest.raises(ContractError, match="password"):
        hashed("")


def test_a_password_file_is_read_as_it_is() -> None:
    """Every user of a file as Mosquitto 2 and Wattline wrote it, with the very hash; comments and blanks aside."""
    users = {"pi-1": hashed("one"), "gateway": hashed("two", iterations=5000)}
    text = "# by hand\n\n" + "\n".join(_line(user, of) for user, of in users.items()) + "\n"
    assert read_password_file(text) == users
    assert read_password_file("") == {}


@pytest.mark.parametrize("line", ["pi-1:plain", "pi-1:$6$abc$def", "pi-1:$7$101$AAAA$AAAA", "pi-1:$7$x$$", "pi-1"])
def test_what_can_t_be_taken_over_is_said(line: str) -> None:
    """A user whose hash has another form would be locked out: the line is named, with what to do."""
    with pytest.raises(ContractError, match=r"'pi-1' has no hash that can be taken over \(line 1\).*add-user"):
        read_password_file(line)


@pytest.mark.parametrize("user", ["a/b", "pi+1", "x" * 65])
def test_a_user_that_could_escape_its_topics_is_refused(user: str) -> None:
    """A user name ends up in topics, so it is held to the form of a device id."""
    with pytest.raises(ContractError) as refused:
        read_password_file(_line(user, hashed("secret")))
    assert refused.value.field == "user"
