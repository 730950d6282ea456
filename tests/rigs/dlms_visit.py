"""A visit of the DLMS client to a meter in memory: no line and no clock, only what each says to the other."""

from collections.abc import Callable
from dataclasses import dataclass, field

from broker.errors import FrameError
from meters.telegram import Frame
from meters.wires.dlms.client.session import DlmsSession
from meters.wires.iec62056_signon import Action, Done, Failed, Send

CHALLENGE = b"0123456789abcdef"


@dataclass
class Visit:
    """Bytes to a meter and back; `lost` are the numbers, from 1, of what is sent either way and never arrives."""

    meter: Callable[[bytes], list[bytes]]
    lost: frozenset[int] = frozenset()
    sent: list[bytes] = field(default_factory=list)
    silences: int = 0
    _messages: int = 0

    def run(self, session: DlmsSession) -> Frame | FrameError:
        """Do a session to its end, which must come."""
        actions = session.start()
        for _ in range(20_000):
            heard: list[Action] = []
            for action in actions:
                match action:
                    case Send(data):
                        self.sent.append(data)
                        for answer in self.meter(data) if self._arrives() else ():
                            heard += session.feed(answer) if self._arrives() else []
                    case Done(frame):
                        return frame
                    case Failed(error):
                        return error
            self.silences += not heard
            actions = heard or session.timeout()
        raise AssertionError("the session comes to no end")

    def _arrives(self) -> bool:
        self._messages += 1
        return self._messages not in self.lost
