"""The sign-on of IEC 62056-21 in mode E (6.4.5.2, annex E): an optical head at 300 baud changes over to HDLC."""

import re
from typing import ClassVar, Final

from broker.errors import FrameError
from meters.wires.iec62056_signon import Action, Failed, Send, SetBaud

MAX_ATTEMPTS: Final = 2
_BAUDS: Final = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
_IDENTIFICATION: Final = re.compile(rb"/([A-Za-z]{2})([A-Za-z])([0-6])([^\r\n]{0,64})\r?\n")
_HDLC: Final = b"\\2"
_MAX_HEARD_BYTES: Final = 512
_BITS_A_CHARACTER: Final = 10
_REACTION_S: Final = {True: 0.02, False: 0.2}
_ANSWER_S: Final = 4.5
"""A request and an identification at 300 baud take up to 2 s, the meter's reaction 1.5 s more."""


class OpticalSignOn:
    r"""`start`, then `feed` and `timeout`; the change to eight bits (SetBaud with `bits` 8) ends it, or Failed does.

    A meter says by `\2` in its identification that it knows HDLC; one that does not is not asked for it.
    """

    SETTLE_S: ClassVar[float] = 0.6
    """A meter may confirm at 300 baud that it changes over (six characters, 0.2 s), and takes its time for it."""

    def __init__(self, address: str = "", max_baud: int = 9600) -> None:
        self._request = f"/?{address}!\r\n".encode()
        self._max_baud = max_baud
        self._heard = b""
        self._tries = 0

    @property
    def deadline_s(self) -> float:
        """How long to wait for more of an answer."""
        return _ANSWER_S

    def start(self) -> list[Action]:
        """Begin at 300 baud."""
        self._heard = b""
        self._tries = 1
        return [SetBaud(300), Send(self._request)]

    def feed(self, data: bytes) -> list[Action]:
        """Take what was heard."""
        self._heard = (self._heard + bytes(octet & 0x7F for octet in data))[-_MAX_HEARD_BYTES:]
        match = _IDENTIFICATION.search(self._heard)
        if match is None:
            return []
        if _HDLC not in match[4]:
            detail = f"{match[0].strip().decode('latin-1')} offers no HDLC (mode E, \\2 in the identification)"
            return [Failed(FrameError("no_mode_e", detail))]
        letter = match[3].decode()
        letter = letter if _BAUDS[letter] <= self._max_baud else "0"
        acknowledgement = b"\x06" + f"2{letter}2\r\n".encode()
        reaction_s = _REACTION_S[match[2].islower()]
        sent_s = len(acknowledgement) * _BITS_A_CHARACTER / 300
        change = SetBaud(_BAUDS[letter], after_s=sent_s + reaction_s / 2, bits=8)
        return [Send(acknowledgement, after_s=reaction_s), change]

    def timeout(self) -> list[Action]:
        """Silence for deadline_s: ask again, or fail."""
        if self._tries < MAX_ATTEMPTS:
            self._tries += 1
            self._heard = b""
            return [SetBaud(300), Send(self._request)]
        return [Failed(FrameError("no_answer", f"no identification after {MAX_ATTEMPTS} requests"))]
