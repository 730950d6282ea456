"""How names, ids and OBIS codes are written: each pattern once, for models, parsers and error texts alike."""

import re
from typing import Final

NAME: Final = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""A device id, a spec, a group, a label, a token, a command."""
SOURCE_NAME: Final = "[a-z0-9][a-z0-9-]{0,47}"
"""A source of third parties' payloads."""
NAME_MAX: Final = 64
"""Characters of a name."""
SPEC_REF: Final = NAME + "@[1-9][0-9]{0,8}"
"""A spec and its version, for example `lgz-e350@3`."""
BOOT_ID: Final = "[0-9a-f]{4,32}"
METER_KEY: Final = "[!-~]{1,96}"
OBIS_CODE: Final = r"\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(\*\d{1,3})?"
"""An OBIS code in full, as messages and the API have it; broker.contract.obis reads reduced ones, too."""
OBIS_FILTER: Final = "[0-9*:.&-]{1,64}"
"""What can fit an OBIS code, with `*` for any run of characters."""

RELEASE: Final = r"[0-9]{1,6}(\.[0-9]{1,6}){2}([a-z0-9.+-]{1,32})?"
"""A release's version, for example `0.3.0` or `0.3.0rc1`."""
SOURCE: Final = r"https?://[!-\"$-.0->A-~]+(?:/[!-\"$->@-~]*)?"
"""The address of a folder over HTTP, in visible ASCII (RFC 3986); a user and a password, a query and a fragment have no
place in it."""

ENROL_URL: Final = r"https://[^/?#@\s]+/?"
"""Where the gateway lets devices in."""


def whole(pattern: str) -> str:
    """The pattern for a text that is nothing else; models and JSON Schema look for a pattern anywhere in it."""
    return f"^{pattern}$"


def is_name(text: str) -> bool:
    """Whether a text is a name in full."""
    return _NAME.fullmatch(text) is not None


def wildcard(pattern: str, text: str) -> bool:
    """Whether the whole text fits the pattern: `*` any run, `?` any one character, letters of either case.

    Takes at most len(pattern) * len(text) steps, whatever the pattern.
    """
    pattern, text = pattern.casefold(), text.casefold()
    at = place = 0
    star, resume = -1, 0
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, resume = at, place
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[place]):
            at += 1
            place += 1
        elif star >= 0:
            resume += 1
            at, place = star + 1, resume
        else:
            return False
    return not pattern[at:].strip("*")


_NAME: Final = re.compile(NAME)
