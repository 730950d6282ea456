"""How an unknown port is tried: which line settings in which order, and what a window of listening found. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from broker.errors import FrameError
from device.line import LineSettings
from device.settings import DetectionSettings
from meters.other_protocols import OtherProtocol, recognise
from meters.readers import AnyFramer
from meters.telegram import Frame, Wire

SIGN_ON: Final = LineSettings(300, 7, "E")
QUICK: Final = (LineSettings(115200), LineSettings(9600))
QUICK_LATER: Final = LineSettings(9600, 7, "E")
THOROUGH: Final = (
    LineSettings(115200),
    LineSettings(9600),
    LineSettings(9600, 7, "E"),
    LineSettings(2400, 8, "E"),
    LineSettings(2400),
)
MID_TELEGRAM_S: Final = 0.5
"""A window whose last byte is younger than this is prolonged: a telegram is on its way."""
PROLONG_MAX: Final = 1.0
"""... by this share of the window at most."""
KEPT_MAX: Final = 64
LOOKED_BYTES: Final = 4096
"""The newest bytes of a window, in which another protocol is looked for: more than any push of one."""
QUICK_ANSWER_S: Final = 2.0
THOROUGH_ANSWER_S: Final = 4.5
"""A request and an identification at 300 baud take up to 2 s, the meter's reaction 1.5 s more."""


@dataclass(frozen=True, slots=True)
class Known:
    """What speaks on a port: its protocol, by which line settings, pushing by itself or polled."""

    settings: LineSettings
    protocol: Wire
    poll: bool = False


@dataclass(frozen=True, slots=True)
class Listen:
    """Listen by these settings for up to this long."""

    settings: LineSettings
    for_s: float


@dataclass(frozen=True, slots=True)
class Ask:
    """Try an IEC 62056-21 sign-on; `answer_s` is how long to wait for an answer, None repeats the request twice."""

    answer_s: float | None = None


@dataclass(frozen=True, slots=True)
class PassedWithout:
    """A whole pass found nothing: wait before the next one."""

    number: int
    pause_s: float


Step = Listen | Ask | PassedWithout


def steps(settings: DetectionSettings, known: Known | None) -> Iterator[Step]:
    """What to try, for ever: what was known first, a short pass, then thorough ones with growing pauses."""
    if known is not None:
        yield Ask() if known.poll else Listen(known.settings, settings.thorough_s)
    for line in QUICK:
        yield Listen(line, settings.quick_s)
    yield Ask(QUICK_ANSWER_S)
    yield Listen(QUICK_LATER, settings.quick_s)
    number, pause_s = 1, settings.first_pause_s
    while True:
        for line in THOROUGH:
            yield Listen(line, settings.thorough_s)
        yield Ask(THOROUGH_ANSWER_S)
        yield PassedWithout(number, pause_s)
        number, pause_s = number + 1, min(settings.longest_pause_s, max(0.5, pause_s * 2))


@dataclass(slots=True)
class Window:
    """One window of listening with all framers at once.

    `outcomes` keeps what was found, in order, KEPT_MAX at most (the first ones), to be handed on once the protocol is
    known or the window is over.
    """

    framer: AnyFramer = field(default_factory=lambda: AnyFramer(bare=False))
    outcomes: list[Frame | FrameError] = field(default_factory=list)
    heard_bytes: int = 0
    last_s: float = float("-inf")
    _newest: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes, now_s: float) -> Frame | None:
        """Take what was heard; the first good frame, if there is one now."""
        self.heard_bytes += len(data)
        self.last_s = now_s
        self._newest += data
        del self._newest[:-LOOKED_BYTES]
        return self._take(self.framer.feed(data))

    def close(self) -> Frame | None:
        """The end of the window: a frame that only silence ends may come out."""
        return self._take(self.framer.finish())

    def other(self) -> OtherProtocol | None:
        """What a window without a good frame heard, if that is a protocol which Wattline does not read."""
        return recognise(bytes(self._newest))

    def remaining_s(self, started_s: float, for_s: float, now_s: float) -> float:
        """How much longer to listen; 0 and below when the window is over."""
        rest_s = started_s + for_s - now_s
        if rest_s > 0 or self.last_s == float("-inf"):
            return rest_s
        limit_s = started_s + for_s * (1 + PROLONG_MAX) - now_s
        return min(self.last_s + MID_TELEGRAM_S - now_s, limit_s)

    def _take(self, found: list[Frame | FrameError]) -> Frame | None:
        self.outcomes += found[: max(0, KEPT_MAX - len(self.outcomes))]
        return next((item for item in found if isinstance(item, Frame)), None)
