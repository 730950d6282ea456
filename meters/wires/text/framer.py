"""A framer over the scanner of the two text protocols."""

from broker.errors import FrameError
from meters.telegram import Frame, Wire
from meters.wires.located import Located
from meters.wires.text.scanner import Accept, TextScanner


class TextFramer:
    """A framer over TextScanner, for the protocols that share it."""

    def __init__(self, protocol: Wire, accept: Accept) -> None:
        self.protocol = protocol
        self.skipped = 0
        self._scanner = TextScanner(accept)

    @property
    def pending(self) -> int:
        """How many bytes of a frame that has begun wait for more."""
        return self._scanner.pending

    def feed(self, data: bytes) -> list[Frame | FrameError]:
        """Take any slice of the line; return what it completed, in order."""
        return self._events(self._scanner.feed(data))

    def finish(self) -> list[Frame | FrameError]:
        """End of input or long silence."""
        return self._events(self._scanner.finish())

    def _events(self, found: list[Located]) -> list[Frame | FrameError]:
        self.skipped = self._scanner.skipped
        return [each.event for each in found]
