"""One visit to a meter, sans-io: sign-on, link, association, what is read by a plan, and the way out again."""

from collections.abc import Callable, Generator
from enum import Enum, auto
from typing import Final

from broker.errors import FrameError
from meters.telegram import Frame
from meters.wires.dlms.client.association import Agreed, associated, ciphered
from meters.wires.dlms.client.link import Closed, Heard, Link, More, Opened, Replied
from meters.wires.dlms.client.optical import OpticalSignOn
from meters.wires.dlms.client.station import Access
from meters.wires.iec62056_signon import Action, Done, Failed, Send, SetBaud

MAX_SENDS: Final = 4000
"""After so many requests, acknowledgements and repetitions a meter that still goes on is given up."""
Plan = Callable[[Agreed], Generator[bytes, bytes, Frame]]
"""What is read once the association stands: yields requests, is sent answers, returns the frame made of them."""


class _State(Enum):
    IDLE = auto()
    SIGNING_ON = auto()
    OPENING = auto()
    ASKING = auto()
    CLOSING = auto()


class DlmsSession:
    """`start`, then `feed` with what is heard and `timeout` after `deadline_s` of silence, until Done or Failed.

    What is not answered, or damaged on its way, is repeated where the link can do so. A meter that refuses, answers
    nonsense or never comes to an end is let go of with what was wrong with it.
    """

    def __init__(
        self, link: Link, access: Access, plan: Plan, *, challenge: bytes = b"", optical: OpticalSignOn | None = None
    ) -> None:
        self._link = link
        self._optical = optical
        self._exchange = _visit(access, challenge, plan)
        self._state = _State.IDLE
        self._tries = 0
        self.sends = 0
        """How often something was sent."""
        self._frame: Frame | None = None

    @property
    def deadline_s(self) -> float:
        """How long to wait, after the last action or byte heard, before timeout() is called."""
        if self._optical is not None and self._state is _State.SIGNING_ON:
            return self._optical.deadline_s
        return self._link.deadline_s

    def start(self) -> list[Action]:
        """Begin; a session is good for one visit."""
        if self._optical is None:
            return self._open()
        self._state = _State.SIGNING_ON
        return self._optical.start()

    def feed(self, data: bytes) -> list[Action]:
        """Take what was heard; bytes before start() and after the end are ignored."""
        if self._state is _State.IDLE:
            return []
        if self._state is _State.SIGNING_ON and self._optical is not None:
            return self._signed_on(self._optical.feed(data))
        try:
            heard = self._link.feed(data)
        except FrameError as error:
            return self._leave(error)
        actions: list[Action] = []
        for one in heard:
            actions += self._take(one)
        return actions

    def timeout(self) -> list[Action]:
        """Silence for deadline_s: ask again, or fail."""
        if self._state is _State.IDLE:
            return []
        if self._state is _State.SIGNING_ON and self._optical is not None:
            return self._signed_on(self._optical.timeout())
        again = self._link.repeat()
        if self._tries < self._link.attempts and again:
            self._tries += 1
            return self._send(again)
        if self._state is _State.CLOSING:
            return self._end()
        asked = "to the opening of the link" if self._state is _State.OPENING else "to a request"
        return self._leave(FrameError("no_answer", f"no answer {asked}, asked {self._tries} times"))

    def _open(self) -> list[Action]:
        self._state = _State.OPENING
        opening = self._link.open()
        return self._ask(opening) if opening else self._take(Opened())

    def _signed_on(self, actions: list[Action]) -> list[Action]:
        if any(isinstance(one, Failed) for one in actions):
            self._state = _State.IDLE
        if any(isinstance(one, SetBaud) and one.bits == 8 for one in actions):
            opening = self._open()
            first = opening[0]
            # the meter changes over, and may confirm that first
            opening[0] = Send(first.data, OpticalSignOn.SETTLE_S) if isinstance(first, Send) else first
            return [*actions, *opening]
        return actions

    def _take(self, heard: Heard) -> list[Action]:
        if self._state is _State.IDLE:
            return []
        if isinstance(heard, More):
            self._tries = 1
            return self._send(heard.data, heard.after_s)
        if isinstance(heard, Closed):
            return self._end()
        return self._go_on(heard) if self._state is not _State.CLOSING else []

    def _go_on(self, heard: Opened | Replied) -> list[Action]:
        """Give the exchange what it waits for, and ask what it wants next."""
        try:
            if isinstance(heard, Opened):
                self._state = _State.ASKING
                request = next(self._exchange)
            else:
                request = self._exchange.send(heard.message)
        except StopIteration as stop:
            self._frame = stop.value
            goodbye = self._link.close()
            self._state = _State.CLOSING
            return self._ask(goodbye)
        except FrameError as error:
            return self._leave(error)
        except (ValueError, OverflowError) as error:
            # of numbers that no request or time can hold: a meter's nonsense ends its visit, not the port's task
            return self._leave(FrameError("malformed", f"the meter's numbers make no request: {error}"))
        return self._ask(self._link.ask(request))

    def _ask(self, data: bytes) -> list[Action]:
        self._tries = 1
        return self._send(data)

    def _send(self, data: bytes, after_s: float = 0.0) -> list[Action]:
        self.sends += 1
        if self.sends > MAX_SENDS:
            return self._leave(FrameError("too_long", f"the meter comes to no end within {MAX_SENDS} requests"))
        return [Send(data, after_s)]

    def _leave(self, error: FrameError) -> list[Action]:
        """Give up: say goodbye without waiting for the answer."""
        if self._state is _State.CLOSING:
            return self._end()
        self._state = _State.IDLE
        self._exchange.close()
        goodbye = self._link.close()
        return [*([Send(goodbye)] if goodbye else []), Failed(error)]

    def _end(self) -> list[Action]:
        self._state = _State.IDLE
        if self._frame is None:
            return [Failed(FrameError("meter_refused", "the meter leaves before all was read"))]
        return [Done(self._frame)]


def _visit(access: Access, challenge: bytes, plan: Plan) -> Generator[bytes, bytes, Frame]:
    agreed, ciphering = yield from associated(access, challenge)
    return (yield from ciphered(plan(agreed), ciphering))
