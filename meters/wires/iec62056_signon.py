"""The sign-on of IEC 62056-21 (6.3, modes A, B and C) as a sans-io state machine that ends in a readout."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto

from broker.errors import FrameError
from meters.telegram import Frame, Wire
from meters.wires.iec62056 import Iec62056Framer
from meters.wires.text.checks import PARITY

INITIAL_BAUD = 300
MAX_ATTEMPTS = 3
_MODE_C = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
_MODE_B = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}
_BITS_A_CHARACTER = 10
_REACTION_S = {True: 0.02, False: 0.2}
_ANSWER_S = 2.5
_LINE_OF_300_S = 2.0
_DATA_S = 5.0
_PAUSE_S = 10.0
"""Some meters pause for seconds inside a block that has begun, far beyond the 1.5 s of 6.5.2."""
_ACK, _NAK = b"\x06", b"\x15"
_ADDRESS = re.compile(r"[0-9A-Za-z ]{0,32}")
# `/` and `!` are not allowed in it (6.3.2), but meters have them: only what begins another identification ends one.
_IDENTIFICATION = re.compile(
    rb"/([A-Za-z]{2})([A-Za-z])([!-.0-~])(?:[^/!\r\n]|/(?![A-Za-z]{3}[!-~])|!(?![\r\n])){0,64}\r?\n"
)
_MAX_WAITING_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Send:
    """Write `data` once `after_s` have passed since the last byte was heard."""

    data: bytes
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SetBaud:
    """Change to `baud`, `after_s` after the Send before it was handed to the line, or at once.

    `bits` 7 is 7E1, as IEC 62056-21 has it; 8 is 8N1, which mode E changes to for HDLC.
    """

    baud: int
    after_s: float = 0.0
    bits: int = 7


@dataclass(frozen=True, slots=True)
class Done:
    """The readout: identification line and data block in one frame. The line is to go back to 300 baud."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Failed:
    """The end without a readout."""

    error: FrameError


Action = Send | SetBaud | Done | Failed


class _State(Enum):
    IDLE = auto()
    IDENTIFYING = auto()
    READING = auto()


class SignOn:
    """One readout after another: `start`, then `feed` with what is heard and `timeout` after `deadline_s` of silence.

    The echo of an optical head needs no care: neither request nor acknowledgement can be taken for an answer.
    A request without answer and a block with a bad check character are repeated, three tries in all. Where the meter
    proposes more than `max_baud`, or its identification is one of `slow`, the readout stays at 300 baud. Where nothing
    can be read after a change-over, all is begun anew and stays at 300; `unfollowed` is the rate that failed.
    """

    def __init__(
        self, address: str = "", max_baud: int = 9600, slow: Collection[str] = (), *, programming: bool = False
    ) -> None:
        """`programming` asks for that mode in place of a readout: who does so takes over once it is identified."""
        if _ADDRESS.fullmatch(address) is None:
            raise FrameError("bad_address", f"{address[:40]!r} is no device address (IEC 62056-21 6.3.1)")
        self._request = f"/?{address}!\r\n".encode()
        self._max_baud = max_baud
        self._slow = slow
        self._option = "1" if programming else "0"
        self._state = _State.IDLE
        self._attempts = 0
        self.unfollowed = 0
        """The rate that the meter proposed in this session and could not be read at; 0 where there is none."""
        self._reset()

    @property
    def identification(self) -> str:
        """The identification line of this session, without `/` and line end; '' until it has come."""
        return self._identification[1:].rstrip(b"\r\n").decode("latin-1")

    @property
    def deadline_s(self) -> float:
        """How long to wait, after the last action or byte heard, before timeout() is called."""
        if self._state is _State.IDENTIFYING:
            return _ANSWER_S + _LINE_OF_300_S + len(self._request) * _BITS_A_CHARACTER / INITIAL_BAUD
        return _PAUSE_S if self._blocks.pending else _DATA_S

    @property
    def progressing(self) -> bool:
        """Whether what was heard last belongs to a readout that has begun; noise and echoes do not."""
        if self._state is not _State.READING:
            return False
        return self._blocks.pending > 0 or self._lines.pending > len(self._identification)

    def start(self) -> list[Action]:
        """Begin a session at 300 baud 7E1, whatever came before."""
        self.unfollowed = 0
        return self._begin()

    def _begin(self) -> list[Action]:
        self._state = _State.IDENTIFYING
        self._attempts = 1
        self._reset()
        return [SetBaud(INITIAL_BAUD), Send(self._request)]

    def feed(self, data: bytes) -> list[Action]:
        """Take what was heard; bytes before start() and after the end are ignored."""
        if self._state is _State.IDENTIFYING:
            return self._identify(data)
        return self._read(data) if self._state is _State.READING else []

    def timeout(self) -> list[Action]:
        """Silence for deadline_s: ask again, take a readout that only silence ends, or fail."""
        if self._state is _State.IDENTIFYING:
            if self._attempts < MAX_ATTEMPTS:
                self._attempts += 1
                self._reset()
                return [SetBaud(INITIAL_BAUD), Send(self._request)]
            return self._fail(FrameError("no_answer", f"no identification after {MAX_ATTEMPTS} requests"))
        if self._state is _State.READING:
            return self._results(finish=True) or self._give_up(
                FrameError("truncated", "silence before the end of the readout", data=self._identification)
            )
        return []

    def _reset(self) -> None:
        self._heard = b""
        self._identification = b""
        self.baud = INITIAL_BAUD
        """The rate of the readout."""
        self._blocks = Iec62056Framer(bare=False)
        self._lines = Iec62056Framer(bare=False)

    def _identify(self, data: bytes) -> list[Action]:
        self._heard = (self._heard + data)[-_MAX_WAITING_BYTES - len(data) :]
        plain = self._heard
        if not plain.isascii():
            plain = bytes(byte if byte < 0x80 else PARITY[byte] for byte in plain)
        match = _IDENTIFICATION.search(plain)
        if match is None:
            self._heard = self._heard[-_MAX_WAITING_BYTES:]
            return []
        rest = self._heard[match.end() :]
        self._identification = match.group()
        self._heard = b""
        self._state = _State.READING
        self._attempts = 1
        self._lines.feed(self._identification)
        actions = self._change_over(match.group(2).islower(), match.group(3).decode())
        return actions + (self._read(rest) if rest else [])

    def _change_over(self, quick: bool, letter: str) -> list[Action]:
        """Modes by the baud character: 0 to 6 is C, A to F is B, all else A; a third letter in lower case is quick."""
        stays = bool(self.unfollowed) or self.identification in self._slow
        if letter in _MODE_B:
            self.baud = INITIAL_BAUD if stays else _MODE_B[letter]
            return [SetBaud(self.baud)]
        if letter not in _MODE_C:
            return []
        reaction_s = _REACTION_S[quick]
        baud = _MODE_C[letter]
        if baud > self._max_baud or stays:
            letter, baud = "0", INITIAL_BAUD
        self.baud = baud
        acknowledgement = _ACK + f"0{letter}{self._option}\r\n".encode()
        sent_s = len(acknowledgement) * _BITS_A_CHARACTER / INITIAL_BAUD
        # The meter answers at the new rate, at the earliest one reaction time after the last bit of the request.
        return [Send(acknowledgement, after_s=reaction_s), SetBaud(baud, after_s=sent_s + reaction_s / 2)]

    def _read(self, data: bytes) -> list[Action]:
        return self._results(self._blocks.feed(data), self._lines.feed(data))

    def _results(
        self,
        blocks: list[Frame | FrameError] | None = None,
        lines: list[Frame | FrameError] | None = None,
        *,
        finish: bool = False,
    ) -> list[Action]:
        """A block from STX; else a telegram without STX, which only the framer that saw the identification finds."""
        for found in self._blocks.finish() if finish else blocks or []:
            if isinstance(found, Frame):
                if found.data[:1] in (b"\x02", b"\x82"):
                    return self._done(_joined(self._identification, found.data))
            elif found.reason in ("bcc_mismatch", "parity", "bad_character") and found.data[:1] in (b"\x02", b"\x82"):
                return self._again(found)
        for found in self._lines.finish() if finish else lines or []:
            if isinstance(found, Frame) and len(found.data) > len(self._identification):
                return self._done(found.data)
        return []

    def _again(self, error: FrameError) -> list[Action]:
        if self._attempts >= MAX_ATTEMPTS:
            return self._give_up(error)
        self._attempts += 1
        self._blocks = Iec62056Framer(bare=False)
        self._lines = Iec62056Framer(bare=False)
        return [Send(_NAK)]

    def _done(self, data: bytes) -> list[Action]:
        self._state = _State.IDLE
        return [Done(Frame(Wire.IEC62056_21, data))]

    def _give_up(self, error: FrameError) -> list[Action]:
        """The end of a readout that failed; after a change-over it is begun anew, without one."""
        if self.baud == INITIAL_BAUD or self.unfollowed:
            return self._fail(error)
        self.unfollowed = self.baud
        return self._begin()

    def _fail(self, error: FrameError) -> list[Action]:
        self._state = _State.IDLE
        return [Failed(error)]


def _joined(identification: bytes, block: bytes) -> bytes:
    """Both in one frame, with parity bits in both or in neither."""
    if block[0] < 0x80:
        return identification + block
    return bytes(byte | 0x80 if byte.bit_count() % 2 else byte for byte in identification) + block
