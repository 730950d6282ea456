"""Passwords of people: which are taken, and what is kept of them (RFC 7914)."""

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

LEAST: Final = 12
MOST: Final = 256
_VARIETY: Final = 5
"""Different characters that a password has at least: `aaaaaaaaaaaa` is none."""
_LOG_N: Final = 15
_R: Final = 8
_P: Final = 1
_SALT_BYTES: Final = 16
_MAX_MEMORY: Final = 128 * 1024 * 1024
NOBODYS: Final = f"scrypt${_LOG_N}${_R}${_P}${'A' * 22}==${'A' * 43}="
"""What is compared with where there is no such user: it takes as long, so that nobody learns who is there."""


def fault_of(name: str, password: str) -> str:
    """Why a password is not taken for a user of this name, empty where it is. Pure."""
    if len(password) < LEAST:
        return f"it has {len(password)} characters"
    if len(password) > MOST:
        return f"it has more than {MOST} characters"
    if len(set(password)) < _VARIETY:
        return "it repeats a few characters"
    if len(name) > 2 and name.lower() in password.lower() and len(password) - len(name) < LEAST:
        return "it is the user's name with little added"
    return ""


def kept(password: str) -> str:
    """What is stored of a password: 32 MiB and a tenth of a second or so for each guess at it."""
    salt = secrets.token_bytes(_SALT_BYTES)
    hashed = _scrypt(password, salt, _LOG_N, _R, _P)
    return f"scrypt${_LOG_N}${_R}${_P}${_text(salt)}${_text(hashed)}"


def fits(password: str, stored: str) -> bool:
    """Whether a password is the one of which this was stored, by whatever parameters were in use then."""
    if len(password) > MOST:
        return False
    try:
        kind, log_n, r, p, salt, hashed = stored.split("$")
        wanted, seasoned = base64.b64decode(hashed), base64.b64decode(salt)
    except (ValueError, binascii.Error):
        return False
    return kind == "scrypt" and hmac.compare_digest(_scrypt(password, seasoned, int(log_n), int(r), int(p)), wanted)


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    secret = password.encode(errors="replace")
    return hashlib.scrypt(secret, salt=salt, n=2**log_n, r=r, p=p, maxmem=_MAX_MEMORY, dklen=32)


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
