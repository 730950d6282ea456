"""Whom a client asks, as whom, and by what it shows that it may (IEC 62056-46 6.4.2, IEC 62056-53 4.2)."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from broker.errors import ContractError
from meters.wires.meter_key import MeterKey

PUBLIC_CLIENT: Final = 16
"""The client that every meter must let in without a secret, to be told who it is (IEC 62056-62 4.5)."""
MANAGEMENT: Final = 1
"""The management logical device, which every meter has."""
TITLE_BYTES: Final = 8
_WRITTEN: Final = re.compile(r"([0-9]{1,3})(?:/([0-9]{1,5})(?:\.([0-9]{1,5}))?(?:/([124]))?)?", re.ASCII)
_LEAST_SECRET, _MOST_SECRET = 1, 64


class Authentication(StrEnum):
    """How an association is opened: without a secret, by a password (LLS), by GMAC in both directions (HLS 5)."""

    NONE = "none"
    LLS = "lls"
    HLS5 = "hls5"


@dataclass(frozen=True, slots=True)
class Station:
    """A client's number and a server's address: its logical device, and behind HDLC its physical one, 0 where none.

    `octets` is the length of the server's HDLC address, 0 for the shortest that holds it.
    """

    client: int = PUBLIC_CLIENT
    logical: int = MANAGEMENT
    physical: int = 0
    octets: int = 0

    def __post_init__(self) -> None:
        most = {1: 0x7F, 2: 0x7F, 4: 0x3FFF, 0: 0x3FFF}
        if not 0 < self.client <= 0x7F:
            raise ContractError(f"client {self.client}", field="client", fix="a client is 1 to 127, 16 the public one")
        if self.octets not in most or not 0 <= self.logical <= most[self.octets]:
            fix = "a logical device is 0 to 127 in 1 or 2 octets, 0 to 16383 in 4"
            raise ContractError(f"server {self.logical} in {self.octets} octets", field="server", fix=fix)
        if not 0 <= self.physical <= most[self.octets] or (self.physical and self.octets == 1):
            fix = "a physical device is 0 to 127 in 2 octets, 0 to 16383 in 4"
            raise ContractError(f"physical device {self.physical}", field="server", fix=fix)

    def __str__(self) -> str:
        physical = f".{self.physical}" if self.physical else ""
        return f"{self.client}/{self.logical}{physical}" + (f"/{self.octets}" if self.octets else "")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `16`, `16/1`, `16/1.17` or `16/1.17/4`: client, logical and physical device, octets of the address.

        Raises ContractError.
        """
        match = _WRITTEN.fullmatch(text)
        if match is None:
            fix = "write 16/1.17/4: client, logical device, physical device, octets of the server's address"
            raise ContractError(f"{text[:40]!r} is no DLMS station", field="station", fix=fix)
        client, logical, physical, octets = (int(part or 0) for part in match.groups())
        return cls(client, logical if match[2] else MANAGEMENT, physical, octets)

    @property
    def client_address(self) -> bytes:
        """The client's HDLC address."""
        return bytes((self.client << 1 | 1,))

    @property
    def server_address(self) -> bytes:
        """The server's HDLC address in one, two or four octets; the last bit of the last one is set."""
        octets = self.octets or (1 if self._is_short and not self.physical else 2 if self._is_short else 4)
        if octets == 1:
            return bytes((self.logical << 1 | 1,))
        if octets == 2:
            return bytes((self.logical << 1, self.physical << 1 | 1))
        upper = bytes((self.logical >> 7 << 1, (self.logical & 0x7F) << 1))
        return upper + bytes((self.physical >> 7 << 1, (self.physical & 0x7F) << 1 | 1))

    @property
    def _is_short(self) -> bool:
        return self.logical <= 0x7F and self.physical <= 0x7F


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """By what the client shows that it may read. It never shows its secrets: not in a log, an error or a traceback.

    LLS wants `password`. HLS 5 wants `key` with both of its keys, a system title of 8 octets (`title`, the client's
    own) and a frame counter greater than any that the meter has seen from this client (`counter`).
    """

    authentication: Authentication = Authentication.NONE
    password: bytes = b""
    key: MeterKey | None = None
    title: bytes = b""
    counter: int = 0
    sets: bool = False
    """Whether the right to SET is asked for: by `clock_set` alone."""

    def __post_init__(self) -> None:
        if self.authentication is Authentication.LLS and not _LEAST_SECRET <= len(self.password) <= _MOST_SECRET:
            fix = "LLS wants a password of 1 to 64 octets"
            raise ContractError(f"a password of {len(self.password)} octets", field="password", fix=fix)
        if self.authentication is Authentication.HLS5:
            if self.key is None or not self.key.authentication:
                fix = "HLS 5 wants the encryption key and the authentication key"
                raise ContractError("a key is missing", field="key", fix=fix)
            if len(self.title) != TITLE_BYTES:
                raise ContractError(f"{len(self.title)} octets", field="title", fix="a system title has 8 octets")

    def __repr__(self) -> str:
        return f"Access({self.authentication}, ***)"
