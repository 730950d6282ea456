"""All readers under one roof: a framer and a parser for each wire, and a framer for a line of unknown protocol."""

from broker.errors import FrameError
from meters.iec62056 import Iec62056Framer, parse_iec62056
from meters.iec62056_scan import Accept, Located, TextScanner
from meters.p1 import P1Framer, parse_p1
from meters.sml import SmlFramer, parse_sml
from meters.sml_transport import SmlScanner
from meters.telegram import Frame, Framer, Telegram, Wire

_FRAMERS: dict[Wire, type[P1Framer] | type[SmlFramer] | type[Iec62056Framer]] = {
    Wire.P1: P1Framer,
    Wire.SML: SmlFramer,
    Wire.IEC62056_21: Iec62056Framer,
}
_PARSERS = {Wire.P1: parse_p1, Wire.SML: parse_sml, Wire.IEC62056_21: parse_iec62056}


def make_framer(wire: Wire) -> Framer:
    """A new framer for a line whose protocol is known."""
    return _FRAMERS[wire]()


def parse(frame: Frame) -> Telegram:
    """The telegram of a frame. Raises FrameError where the frame is whole but says nothing that can be read."""
    return _PARSERS[frame.protocol](frame)


class AnyFramer:
    """All framers at once on one stream; each byte is given at most once, whichever protocol it is of.

    P1 and IEC 62056-21 mode D are told apart by content. A good frame wins over what the other framer makes of its
    bytes: failures of the text framer inside an SML file are held until the file's end shows which of them it is (at
    most one file's worth), and a text frame inside an unfinished SML file ends that file as torn.
    """

    def __init__(self, *, bare: bool = True) -> None:
        self._text = TextScanner(Accept(bare=bare))
        self._sml = SmlScanner()
        self._fed = 0
        self._given = 0
        self._covered_to = 0
        self._held: list[Located] = []

    @property
    def skipped(self) -> int:
        """Bytes that belonged to no frame; those that still wait for more are not counted yet."""
        waiting = max(self._text.pending, self._sml.pending)
        return max(0, self._fed - waiting - self._given)

    def feed(self, data: bytes) -> list[Frame | FrameError]:
        """Take any slice of the line; return what it completed, in order."""
        self._fed += len(data)
        return self._merge(self._text.feed(data), self._sml.feed(data))

    def finish(self) -> list[Frame | FrameError]:
        """End of input or long silence."""
        events = self._merge(self._text.finish(), self._sml.finish())
        held, self._held = self._held, []
        for located in held:
            self._give(located, events)
        return events
