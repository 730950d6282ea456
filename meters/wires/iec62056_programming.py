"""The programming mode of IEC 62056-21 (6.4.3, 6.5) as a sans-io state machine: who answers, then one data set."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from broker.errors import FrameError
from meters.telegram import Frame, Wire
from meters.wires.iec62056_signon import INITIAL_BAUD, MAX_ATTEMPTS, Action, Done, Failed, Send, SetBaud, SignOn
from meters.wires.text.checks import block_check

REFUSED: Final = "meter_refused"
"""The reason where a meter says no: to programming mode, to the password, or to the question."""
MAX_ANSWER_BYTES: Final = 256 * 1024
"""All blocks of one answer; a day of 64 channels by the minute is longer, and nobody asks for one."""
PASSWORD: Final = re.compile(r"[!-'*-~]{1,32}")
"""What may stand between the brackets of a password message (6.5)."""
SOH, STX, ETX, EOT, ACK, NAK = b"\x01", b"\x02", b"\x03", b"\x04", b"\x06", b"\x15"
_MARK: Final = re.compile(rb"[\x01\x02\x06\x15]")
_END: Final = re.compile(rb"[\x03\x04]")
_VALUE: Final = re.compile(rb"\s*([^()\s]{0,32})\(([^()]{0,128})\)\s*")
_SEVEN_BITS: Final = bytes(octet & 0x7F for octet in range(256))
_BITS_A_CHARACTER: Final = 10
_REACTION_S: Final = 0.2
_ANSWER_S: Final = 12.0
"""Meters search their memory for seconds, far beyond the 1.5 s of 6.5.2."""
_PAUSE_S: Final = 10.0


def message(command: str, data: str | None = None) -> bytes:
    """A command message with its block check (6.5): `R5` with its data set, `P1` with `(password)`, `B0` alone."""
    body = command.encode("ascii") + (STX + data.encode("ascii") if data is not None else b"") + ETX
    return SOH + body + bytes([block_check(body)])


class _State(Enum):
    IDLE = auto()
    SIGNING_ON = auto()
    OFFERED = auto()
    """Programming mode is asked for: the meter is to answer P0."""
    PASSWORD = auto()
    ASKED = auto()


@dataclass(frozen=True, slots=True)
class _Heard:
    mark: bytes
    body: bytes = b""
    more: bool = False
    """A partial block (EOT): another one follows once it is acknowledged."""
    whole: bool = True
    """The block check fits."""


class ProgrammingSession:
    """One data set asked for and read: sign-on, password where there is one, command, all blocks, break.

    `named_by` is the register that has the meter's serial (`0.0.0`), '' where its identification line has it: it is
    asked for first (R5), in the same conversation, and a meter that does not tell it is asked for nothing else.

    `start`, then `feed` with what is heard and `timeout` after `deadline_s` of silence. Done has the answer as one
    block with its identification line, as a readout has, for meters.wires.iec62056. Failed says REFUSED where the meter
    says no, else what a line does: no_answer, bcc_mismatch, truncated, broken_off. Echoes of what was sent
    need no care. Damaged and lost blocks are asked for again, three tries in all.
    """

    def __init__(
        self, command: str, data: str, *, named_by: str = "", password: str | None = None, address: str = "",
        max_baud: int = 9600, slow: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._question = message(command, data)
        self._naming = named_by
        self._name = b""
        self._password = password
        self._signon = SignOn(address, max_baud, slow, programming=True)
        self._state = _State.IDLE
        self._heard = b""
        self._answer = b""
        self._attempts = 0
        self._last = self._said = b""

    @property
    def deadline_s(self) -> float:
        """How long to wait, after the last action or byte heard, before timeout() is called."""
        if self._state is _State.SIGNING_ON:
            return self._signon.deadline_s
        return _PAUSE_S if self._heard else _ANSWER_S

    def start(self) -> list[Action]:
        """Begin at 300 baud 7E1, whatever came before."""
        self._state, self._heard, self._answer, self._attempts = _State.SIGNING_ON, b"", b"", 1
        return self._signon.start()

    def feed(self, data: bytes) -> list[Action]:
        """Take what was heard; bytes before start() and after the end are ignored."""
        if self._state is _State.IDLE:
            return []
        if self._state is _State.SIGNING_ON:
            return self._sign_on(self._signon.feed(data))
        self._heard += data.translate(_SEVEN_BITS)
        if len(self._heard) + len(self._answer) > MAX_ANSWER_BYTES:
            return self._fail(FrameError("too_long", f"an answer of more than {MAX_ANSWER_BYTES} octets"))
        while (heard := self._next()) is not None:
            actions = self._react(heard)
            if actions:
                return actions
        return []

    def timeout(self) -> list[Action]:
        """Silence for deadline_s: ask again, or fail."""
        if self._state is _State.IDLE:
            return []
        if self._state is _State.SIGNING_ON:
            return self._sign_on(self._signon.timeout())
        torn, self._heard = bool(self._heard), b""
        if self._answer and not torn:
            # it may be our acknowledgement that was lost: the block that a NAK brings would be the one that is here
            return self._fail(FrameError("truncated", f"silence after {len(self._answer)} octets of an answer"))
        if self._attempts >= MAX_ATTEMPTS or self._state is _State.OFFERED:
            reason = "truncated" if torn or self._answer else "no_answer"
            return self._fail(FrameError(reason, f"silence {_WHERE[self._state]}"))
        return self._repeat(NAK if torn or self._answer else self._last)

    def _sign_on(self, actions: list[Action]) -> list[Action]:
        if any(isinstance(action, Failed) for action in actions):
            self._state = _State.IDLE
        elif self._signon.identification:
            if not any(isinstance(action, Send) for action in actions):
                self._state = _State.IDLE
                return [SetBaud(INITIAL_BAUD), Failed(FrameError(REFUSED, "it has no programming mode (mode A or B)"))]
            self._state = _State.OFFERED
        return actions

    def _next(self) -> _Heard | None:
        """The next message, with what comes before it dropped; None while none is whole."""
        begin = _MARK.search(self._heard)
        self._heard = self._heard[begin.start() :] if begin else b""
        mark = self._heard[:1]
        if mark in (b"", ACK, NAK):
            self._heard = self._heard[1:]
            return _Heard(mark) if mark else None
        found = _END.search(self._heard)
        if found is None or found.end() >= len(self._heard):
            return None
        checked, stated = self._heard[1 : found.end()], self._heard[found.end()]
        self._heard = self._heard[found.end() + 1 :]
        return _Heard(mark, checked[:-1], checked.endswith(EOT), block_check(checked) == stated)

    def _react(self, heard: _Heard) -> list[Action]:
        """What to do about one message; nothing about an echo."""
        if heard.mark == NAK:
            if self._said == NAK:
                return []
            return self._again(FrameError("refused_check", f"the meter asks for a repeat {_WHERE[self._state]}"))
        if heard.mark == ACK and self._state is _State.PASSWORD:
            return self._ask()
        if heard.mark == ACK or (heard.mark == SOH and heard.body[:2] not in (b"P0", b"B0")):
            return []
        if not heard.whole:
            return self._again(FrameError("bcc_mismatch", f"a wrong block check {_WHERE[self._state]}"), NAK)
        return self._commanded(heard.body[:2]) if heard.mark == SOH else self._block(heard)

    def _commanded(self, command: bytes) -> list[Action]:
        if command == b"B0":
            reason = "broken_off" if self._answer else REFUSED
            return self._end(Failed(FrameError(reason, f"the meter breaks off (B0) {_WHERE[self._state]}")))
        if self._state is not _State.OFFERED:
            return []
        if self._password is None:
            return self._ask()
        return self._say(_State.PASSWORD, message("P1", f"({self._password})"))

    def _block(self, heard: _Heard) -> list[Action]:
        if self._state is _State.OFFERED:
            return self._fail(FrameError(REFUSED, "it reads out where programming mode was asked for"))
        if not self._answer and heard.body.lstrip(b"( ").startswith(b"ER"):
            said = heard.body.decode("latin-1").strip("() \r\n")[:40]
            return self._fail(FrameError(REFUSED, f"the meter answers {said!r} {_WHERE[self._state]}"))
        if self._state is _State.PASSWORD:
            return []
        self._answer += heard.body
        if heard.more and not heard.body:
            return self._fail(FrameError("malformed", "a partial block of nothing"))
        if heard.more:
            return self._say(_State.ASKED, ACK)
        return self._named() if self._naming else self._done()

    def _done(self) -> list[Action]:
        checked = self._name + self._answer + ETX
        line = f"/{self._signon.identification}\r\n".encode("latin-1")
        return self._end(Done(Frame(Wire.IEC62056_21, line + STX + checked + bytes([block_check(checked)]))))

    def _ask(self) -> list[Action]:
        return self._say(_State.ASKED, message("R5", f"{self._naming}()") if self._naming else self._question)

    def _named(self) -> list[Action]:
        """Keep what the meter says that its serial is, and ask what is to be read of it."""
        told = _VALUE.fullmatch(self._answer)
        if told is None or not told[2].strip() or told[2].startswith(b"ER"):
            detail = f"the meter does not tell its serial in programming mode ({self._naming})"
            return self._fail(FrameError(REFUSED, detail, data=self._answer[:64]))
        # some answer by the value alone
        self._name = (told[1] or self._naming.encode("latin-1")) + b"(" + told[2] + b")\r\n"
        self._naming, self._answer = "", b""
        return self._ask()

    def _say(self, state: _State, data: bytes) -> list[Action]:
        self._state, self._last, self._said, self._attempts = state, data, data, 1
        return [Send(data, after_s=_REACTION_S)]

    def _again(self, error: FrameError, data: bytes = b"") -> list[Action]:
        self._heard = b""
        return self._fail(error) if self._attempts >= MAX_ATTEMPTS else self._repeat(data or self._last)

    def _repeat(self, data: bytes) -> list[Action]:
        self._attempts += 1
        self._said = data
        return [Send(data, after_s=_REACTION_S)] if data else []

    def _fail(self, error: FrameError) -> list[Action]:
        return self._end(Failed(error))

    def _end(self, last: Done | Failed) -> list[Action]:
        """The break, by which the meter leaves programming mode, and the line as a sign-on wants it."""
        self._state, self._heard = _State.IDLE, b""
        farewell = message("B0")
        sent_s = len(farewell) * _BITS_A_CHARACTER / self._signon.baud
        return [Send(farewell, after_s=_REACTION_S), SetBaud(INITIAL_BAUD, after_s=sent_s + _REACTION_S), last]


_WHERE: Final = {
    _State.IDLE: "at the end",
    _State.SIGNING_ON: "at the sign-on",
    _State.OFFERED: "where programming mode was asked for",
    _State.PASSWORD: "after the password",
    _State.ASKED: "after the question",
}
