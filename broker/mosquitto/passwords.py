"""Hashed passwords in Mosquitto's two forms: a line of its password file, and the fields of a login."""

import base64
import hashlib
import os
from dataclasses import dataclass
from typing import Final

from broker.contract.identity import check_identity
from broker.errors import ContractError

ITERATIONS: Final = 101
"""Mosquitto's own default. Device passwords are long and random, and a fleet that reconnects must not pay for more."""
SALT_BYTES: Final = 12
KEY_BYTES: Final = 64
_FORM: Final = "7"


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """PBKDF2 with SHA-512; salt (12 bytes) and key (64 bytes) in base64."""

    salt: str
    key: str
    iterations: int = ITERATIONS


def hashed(password: str, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> PasswordHash:
    """The hash of a password, over a random salt where none is given. Raises ContractError for an empty one."""
    if not password:
        raise ContractError("is empty", field="password", fix="give at least one character")
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)
    return PasswordHash(base64.b64encode(salt).decode(), base64.b64encode(key).decode(), iterations)


def read_password_file(text: str) -> dict[str, PasswordHash]:
    """The users of a password file such as Mosquitto 2 writes; the plugin takes their hashes as they are.

    Raises ContractError for a line of another form: whoever it lets in would be locked out without a word.
    """
    users = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, _, rest = line.partition(":")
        parts = rest.split("$")
        known = len(parts) == 5 and parts[1] == _FORM and parts[2].isdecimal() and int(parts[2]) > 0
        if not (known and _is_base64(parts[3], SALT_BYTES) and _is_base64(parts[4], KEY_BYTES)):
            raise ContractError(
                f"{user[:80]!r} has no hash that can be taken over (line {number})", field="passwords",
                fix=f"remove the line, and let {user[:80]} in again with `wattline broker add-user`",
            )  # fmt: skip
        users[check_identity(user)] = PasswordHash(parts[3], parts[4], int(parts[2]))
    return users


def _is_base64(text: str, size: int) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == size
    except ValueError:
        return False
