"""What a master asks of one Modbus unit, read after read, over a serial line or TCP, as a sans-io state machine.

It only reads. A unit that is silent or damaged is asked again; one that refuses a read is believed.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from broker.errors import FrameError
from meters.telegram import Frame, Wire
from meters.wires.iec62056_signon import Action, Done, Failed, Send
from meters.wires.modbus.frames import Exchange, Read, answered, reply_length, rtu, tcp_reply, tcp_request

MAX_ATTEMPTS: Final = 3
MAX_READS: Final = 64
ANSWER_S: Final = 0.8
"""Meters answer within some 100 ms; slow ones and adapters take longer."""
SILENT: Final = 255
"""Stands for an exception where a unit says nothing to a read."""
_BITS_A_CHARACTER: Final = 11
_SILENT_CHARACTERS: Final = 3.5
_SHORTEST_SILENCE_S: Final = 0.00175
"""Silence before a request (Serial Line 1.02, 2.5.1.1), not less at fast rates."""
_MAX_BYTES: Final = 1024
Choose = Callable[[Sequence[Exchange]], Read | None]
"""What to ask next by what was exchanged so far; None at the end."""


def one_by_one(reads: Iterable[Read]) -> Choose:
    """All of these reads in their order."""
    wanted = tuple(dict.fromkeys(reads))
    return lambda done: wanted[len(done)] if len(done) < len(wanted) else None


class ModbusSession:
    """One poll after another: `start`, then `feed` with what is heard and `timeout` after `deadline_s` of silence.

    The frame of Done has all exchanges as RTU, over TCP too. Where one read gets no answer in MAX_ATTEMPTS tries, the
    poll ends: what was exchanged so far is no whole telegram. One that is not `patient` asks once, and takes silence
    for a refusal. An adapter's echo of a request needs no care.
    """

    def __init__(self, unit: int, choose: Choose, *, baud: int = 9600, tcp: bool = False, patient: bool = True) -> None:
        self._unit = unit
        self._choose = choose
        self._tcp = tcp
        self._patient = patient
        silent_s = _SILENT_CHARACTERS * _BITS_A_CHARACTER / baud
        self._pause_s = 0.0 if tcp else max(_SHORTEST_SILENCE_S, silent_s)
        self._answer_s = ANSWER_S + (0.0 if tcp else 20 * _BITS_A_CHARACTER / baud)
        self._transaction = 0
        self._heard = b""
        self._reset()

    @property
    def deadline_s(self) -> float:
        """How long to wait, after the last action or byte heard, before timeout() is called."""
        return self._answer_s

    @property
    def done(self) -> list[Exchange]:
        """What was exchanged so far."""
        return list(self._done)

    def start(self) -> list[Action]:
        """Begin a poll, whatever came before."""
        self._reset()
        return self._next()

    def feed(self, data: bytes) -> list[Action]:
        """Take what was heard; bytes before start() and after the end are ignored."""
        if self._read is None:
            return []
        self._heard = (self._heard + data)[-_MAX_BYTES:]
        try:
            reply = self._tcp_reply() if self._tcp else self._rtu_reply()
        except FrameError as error:
            self._heard = b""
            return self._again(error)
        return self._take(reply) if reply else []

    def timeout(self) -> list[Action]:
        """Silence for deadline_s: ask again, or end."""
        if self._read is None:
            return []
        heard, self._heard = self._heard, b""
        if heard and not self._tcp:
            return self._again(FrameError("crc_mismatch", "no sound reply in what was answered", data=heard))
        return self._again(FrameError("no_answer", f"unit {self._unit} does not answer to {self._read.name}"))

    def _reset(self) -> None:
        self._read: Read | None = None
        self._heard = b""
        self._attempts = 0
        self._done: list[Exchange] = []
        self._bytes = b""

    def _next(self) -> list[Action]:
        self._read = self._choose(self._done) if len(self._done) < MAX_READS else None
        self._attempts = 0
        if self._read is not None:
            return self._ask(self._read)
        if not self._bytes:
            return [Failed(FrameError("no_answer", f"unit {self._unit} does not answer"))]
        return [Done(Frame(Wire.MODBUS, self._bytes))]

    def _ask(self, read: Read) -> list[Action]:
        self._attempts += 1
        self._heard = b""
        self._transaction = self._transaction + 1 & 0xFFFF
        body = read.body(self._unit)
        return [Send(tcp_request(self._transaction, body) if self._tcp else rtu(body), after_s=self._pause_s)]

    def _again(self, error: FrameError) -> list[Action]:
        read = self._read
        if read is not None and self._patient and self._attempts < MAX_ATTEMPTS:
            return self._ask(read)
        if read is not None and not self._patient:
            self._done.append(Exchange(self._unit, read, b"", SILENT, 0, 0))
            return self._next()
        self._read = None
        return [Failed(error)]

    def _take(self, reply: bytes) -> list[Action]:
        read = self._read
        if read is None:
            return []
        try:
            self._done.append(answered(self._unit, read, reply))
        except FrameError as error:
            return self._again(error)
        self._bytes += rtu(read.body(self._unit)) + reply
        return self._next()

    def _rtu_reply(self) -> bytes:
        """The reply to what was asked, at the first place where one begins whose CRC fits; empty where none does."""
        read = self._read
        for at in range(len(self._heard) if read else 0):
            heard = self._heard[at:]
            if read is None or heard[0] != self._unit:
                continue
            length = reply_length(read, heard)
            if 0 < length <= len(heard):
                reply = heard[:length]
                try:
                    answered(self._unit, read, reply)
                except FrameError:
                    continue
                return reply
        return b""

    def _tcp_reply(self) -> bytes:
        """The reply of this transaction; late ones of earlier requests are passed over."""
        while (found := tcp_reply(self._heard)) is not None:
            transaction, body, end = found
            self._heard = self._heard[end:]
            if transaction == self._transaction:
                return rtu(body)
        return b""
