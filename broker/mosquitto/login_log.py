"""Who was let in at the broker and who was refused, by what Mosquitto says in its log; nothing here does I/O."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NAME_MAX: Final = 80
LINE_BYTES: Final = 999
"""Mosquitto cuts its lines there, time and all: what would stand behind a long client id is gone."""
_STAMP: Final = r"(?:[0-9T:.+-]+: )?"
# the address stands first and the login's name last: a client id between them may say anything
_LET_IN: Final = re.compile(_STAMP + r"New client connected from (?P<address>\S+):\d+ as ")
_WHO: Final = re.compile(r".* \(p\d+, c\d+, k\d+, u'(?P<name>[^']*)'\)\.", re.DOTALL)
# later versions end with the address and a colon; 2.0 ends with a comma and has none, so that one there is the client's
_REFUSED: Final = tuple(
    re.compile(_STAMP + r"Client (?P<name>.*)" + end + r" not authorised\.", re.DOTALL)
    for end in (r" \[(?P<address>\S+):\d+\] disconnected:", r" disconnected[,:]")
)
_BROKEN: Final = re.compile(_STAMP + r"Client <unknown>.* disconnected.*", re.DOTALL)
_CUT: Final = (re.compile(_STAMP + r"Client (?P<name>.*)", re.DOTALL),)


class Result(StrEnum):
    """What came of an attempt to log in."""

    LET_IN = "let_in"
    REFUSED = "refused"
    BROKEN = "broken"
    """It ended before a name was said: a failed handshake of TLS, or what is no MQTT."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt; `name` is the login, of a refused one the client id that it claimed, else empty."""

    result: Result
    name: str = ""
    address: str = ""


def attempt(line: bytes) -> Attempt | None:
    """What a line of the log says of a login; None for all other lines.

    Of a cut line nothing is believed that a client could have put at its end: who was let in has no name then, and all
    else of a client counts as refused, be it the end of a connection. No client id of ours is as long.
    """
    text = line.decode("utf-8", "replace")
    is_cut = len(line) >= LINE_BYTES
    if found := _LET_IN.match(text):
        who = None if is_cut else _WHO.fullmatch(text, found.end())
        return Attempt(Result.LET_IN, who["name"][:NAME_MAX] if who else "", found["address"])
    for pattern in _CUT if is_cut else _REFUSED:
        if found := pattern.fullmatch(text):
            parts = found.groupdict()
            return Attempt(Result.REFUSED, parts["name"][:NAME_MAX], parts.get("address") or "")
    return Attempt(Result.BROKEN) if _BROKEN.fullmatch(text) else None
