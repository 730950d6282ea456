"""Which meters are on an M-Bus line: by secondary address with wildcards, where answers collide ever narrower."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from meters.wires.iec62056_signon import Send
from meters.wires.mbus.link import ACK, FCB, MAX_BYTES, NETWORK, REQ_UD2, SND_NKE, parts, select, short
from meters.wires.mbus.master import answer_s, first_frame, without_echo

ANY: Final = "FFFFFFFF"
MAX_REQUESTS: Final = 2000
"""250 meters of arbitrary serials are found with 1427, as simulated; the test of this module has the bus."""
MAX_FOUND: Final = 250
_PAUSE_BITS: Final = 33
_HEAD_BYTES: Final = 8


class _State(Enum):
    SELECTING = auto()
    READING = auto()
    OVER = auto()


@dataclass(slots=True)
class MbusScan:
    """A search of one line: `start`, then `feed` and `timeout` as a session has them, until `over`.

    `found` are the identifications of meters, eight digits each, in the order in which they answered; `collided` are
    those that two meters share; `bounded` says that the bounds ended the search. With `primary`, addresses are tried
    one by one in the end where nobody knows selections, and found as they are.
    """

    baud: int = 2400
    primary: range = range(0)
    found: list[str] = field(default_factory=list)
    collided: list[str] = field(default_factory=list)
    bounded: bool = False
    requests: int = 0
    _todo: list[str] = field(default_factory=lambda: [ANY])
    _state: _State = _State.OVER
    _now: str = ""
    _sent: bytes = b""
    _heard: bytes = b""

    @property
    def over(self) -> bool:
        """Whether the search is at its end."""
        return self._state is _State.OVER

    @property
    def deadline_s(self) -> float:
        """How long to wait, after the last action or byte heard, before timeout() is called."""
        return answer_s(self.baud)

    def start(self) -> list[Send]:
        """Begin the search."""
        return self._next()

    def feed(self, data: bytes) -> list[Send]:
        """Take what was heard: colliding answers come to an end with silence only, so nothing follows before that."""
        self._heard = (self._heard + data)[-2 * MAX_BYTES :]
        return []

    def timeout(self) -> list[Send]:
        """Silence for deadline_s: what was heard is all there is."""
        heard = without_echo(self._heard, self._sent)
        if self._state is _State.SELECTING:
            if not heard:
                return self._next()
            # several acknowledgements fall on one another and look like one, or like noise
            return self._request() if heard[:1] == bytes((ACK,)) else self._narrower()
        if self._state is _State.READING:
            frame = first_frame(heard)
            if not frame:
                return self._narrower()
            self._note(frame)
            return self._next()
        return []

    def _note(self, frame: bytes) -> None:
        reply = parts(frame)[0]
        known = reply.information == 0x72 and len(reply.user) >= _HEAD_BYTES and len(self._now) == len(ANY)
        name = reply.user[3::-1].hex().upper() if known else self._now
        if name not in self.found and name != ANY:
            self.found.append(name)

    def _next(self) -> list[Send]:
        if not self._todo and not self.found and self.primary:
            self._todo = [str(address) for address in reversed(self.primary)]
            self.primary = range(0)
        if not self._todo or self.requests >= MAX_REQUESTS or len(self.found) >= MAX_FOUND:
            self.bounded = bool(self._todo)
            self._state = _State.OVER
            return []
        self._now = self._todo.pop()
        self._state = _State.SELECTING
        wide = len(self._now) == len(ANY)
        return self._send(select(self._now) if wide else short(SND_NKE, int(self._now)))

    def _request(self) -> list[Send]:
        self._state = _State.READING
        station = NETWORK if len(self._now) == len(ANY) else int(self._now)
        return self._send(short(REQ_UD2 | FCB, station))

    def _narrower(self) -> list[Send]:
        """Answers collided: the first digit that was any is tried as each of the ten."""
        if "F" in self._now and len(self._now) == len(ANY):
            self._todo += [self._now.replace("F", str(digit), 1) for digit in reversed(range(10))]
        elif self._now not in self.collided:
            self.collided.append(self._now)
        return self._next()

    def _send(self, data: bytes) -> list[Send]:
        self.requests += 1
        self._sent, self._heard = data, b""
        return [Send(data, after_s=_PAUSE_BITS / self.baud)]
