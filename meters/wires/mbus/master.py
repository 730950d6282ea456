"""What a master asks of one M-Bus meter (EN 13757-2 5.5, EN 13757-3 11.5), as a sans-io state machine.

It writes nothing into a meter: a link reset, a selection, and requests for data.
"""

import re
from enum import Enum, auto
from typing import Final

from broker.errors import FrameError
from meters.telegram import Frame, Wire
from meters.wires.iec62056_signon import Action, Done, Failed, Send
from meters.wires.mbus.link import (
    ACK,
    FCB,
    LONG,
    MAX_BYTES,
    MAX_PARTS,
    NETWORK,
    REQ_UD2,
    SND_NKE,
    more_follows,
    select,
    short,
    sound,
)

MAX_ATTEMPTS: Final = 3
LAST_PRIMARY: Final = 250
_ANSWER_BITS: Final = 330
"""A meter begins its answer within so many bit times and 50 ms; adapters and a busy machine get SLACK_S more."""
_ANSWER_S: Final = 0.05
SLACK_S: Final = 0.3
_PAUSE_BITS: Final = 33
"""Silence before the next request (EN 13757-2 5.5.5), so that a meter's link layer has come to rest."""
_SECONDARY: Final = re.compile(r"[0-9Ff]{8}")


class _State(Enum):
    IDLE = auto()
    READY = auto()
    READING = auto()


class MbusSession:
    """One readout after another: `start`, then `feed` with what is heard and `timeout` after `deadline_s` of silence.

    `address` is a primary one, 0 to 250, or eight digits of an identification. The frame of Done has all telegrams of
    a reply. Requests without an answer, or with a damaged one, are repeated with the same frame count bit, three tries
    in all. An adapter that gives back what is sent needs no care.
    """

    def __init__(self, address: str, baud: int = 2400) -> None:
        if _SECONDARY.fullmatch(address):
            self._station, self._open = NETWORK, select(address)
        elif address.isascii() and address.isdigit() and int(address) <= LAST_PRIMARY:
            self._station, self._open = int(address), short(SND_NKE, int(address))
        else:
            raise FrameError("bad_address", f"{address[:40]!r} is neither 0 to {LAST_PRIMARY} nor eight digits")
        self._baud = baud
        self._state = _State.IDLE
        self._sent = self._heard = b""

    @property
    def deadline_s(self) -> float:
        """How long to wait, after the last action or byte heard, before timeout() is called."""
        return answer_s(self._baud)

    def start(self) -> list[Action]:
        """Begin a readout, whatever came before."""
        self._state = _State.READY
        self._attempts = 1
        self._reply = b""
        self._last = b""
        self._parts = 0
        self._bit = FCB
        return self._send(self._open)

    def feed(self, data: bytes) -> list[Action]:
        """Take what was heard; bytes before start() and after the end are ignored."""
        if self._state is _State.IDLE:
            return []
        self._heard = (self._heard + data)[-2 * MAX_BYTES :]
        heard = without_echo(self._heard, self._sent)
        if self._state is _State.READY:
            return self._ready() if heard[:1] == bytes((ACK,)) else []
        frame = first_frame(heard)
        return self._take(frame) if frame else []

    def timeout(self) -> list[Action]:
        """Silence for deadline_s: ask again, or fail."""
        if self._state is _State.IDLE:
            return []
        heard = without_echo(self._heard, self._sent)
        if self._attempts < MAX_ATTEMPTS:
            self._attempts += 1
            return self._send(self._sent)
        self._state = _State.IDLE
        if heard:
            return [Failed(FrameError("checksum_mismatch", "no sound frame in what was answered", data=heard))]
        asked = "a request for data" if self._parts or self._sent != self._open else "a link reset or selection"
        return [Failed(FrameError("no_answer", f"no answer to {asked}, asked {MAX_ATTEMPTS} times"))]

    def _ready(self) -> list[Action]:
        self._state = _State.READING
        self._attempts = 1
        return self._send(short(REQ_UD2 | self._bit, self._station))

    def _take(self, frame: bytes) -> list[Action]:
        # the same again: this meter does not heed the frame count bit, and there is nothing more to be had of it
        repeated = frame == self._last
        if not repeated:
            self._reply += frame
            self._parts += 1
        self._last = frame
        if repeated or not more_follows(frame) or self._parts == MAX_PARTS:
            self._state = _State.IDLE
            return [Done(Frame(Wire.MBUS, self._reply))]
        self._bit ^= FCB
        self._attempts = 1
        return self._send(short(REQ_UD2 | self._bit, self._station))

    def _send(self, data: bytes) -> list[Action]:
        self._sent, self._heard = data, b""
        return [Send(data, after_s=_PAUSE_BITS / self._baud)]


def answer_s(baud: int) -> float:
    """How long an answer may take to begin."""
    return _ANSWER_BITS / baud + _ANSWER_S + SLACK_S


def without_echo(heard: bytes, sent: bytes) -> bytes:
    """What was heard less what was sent, where an adapter gives that back."""
    if heard.startswith(sent):
        return heard[len(sent) :]
    return b"" if sent.startswith(heard) else heard


def first_frame(heard: bytes) -> bytes:
    """The first sound long frame in what was heard; empty where there is none yet."""
    at = heard.find(LONG)
    while at >= 0:
        end = at + heard[at + 1] + 6 if len(heard) > at + 1 else 0
        if end and len(heard) >= end and sound(heard[at:end]):
            return heard[at:end]
        at = heard.find(LONG, at + 1)
    return b""
