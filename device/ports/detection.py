"""How an unknown port is tried: which line settings in which order, and what a window of listening found. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from broker.errors import FrameError
from device.line_settings import LineSettings
from device.settings import DetectionSettings
from meters.telegram import Frame, Wire
from meters.wires.other_protocols import OtherProtocol, recognise
from meters.wires.readers import AnyFramer

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
SECOND_S: Final = 15.0
"""A window in which a telegram has shown another CRC than the usual one waits so long for the next, which must too."""
WHOLE_FRAME: Final = frozenset({"crc_mismatch", "bcc_mismatch"})
"""Failures that noise hardly ever gives: a whole frame stood there."""
BURST_GAP_S: Final = 0.3
"""Silence that ends a burst: no meter pauses so long within a telegram."""
FRUITLESS_BURSTS: Final = 3
"""After so many bursts without a frame these are not the line's settings; the first may have been half a telegram."""
KEPT_MAX: Final = 64
NEWEST_BYTES: Final = 4096
"""The newest bytes of a window, in which another protocol is looked for: more than any push of one."""
QUICK_ANSWER_S: Final = 2.0
THOROUGH_ANSWER_S: Final = 4.5
"""A request and an identification at 300 baud take up to 2 s, the meter's reaction 1.5 s more."""
SNRM_LINE: Final = LineSettings(9600)
"""By which settings a DLMS meter is tried on an unknown port."""


@dataclass(frozen=True, slots=True)
class KnownLine:
    """What speaks on a port: its protocol, by which line settings, pushing by itself or polled."""

    settings: LineSettings
    protocol: Wire
    poll: bool = False


@dataclass(frozen=True, slots=True)
class Listen:
    """Listen by these settings for up to this long; unless `patient`, only until they are seen to be wrong."""

    settings: LineSettings
    for_s: float
    patient: bool = False


@dataclass(frozen=True, slots=True)
class TrySignOn:
    """Try an IEC 62056-21 sign-on; `answer_s` is how long to wait for an answer, None repeats the request twice."""

    answer_s: float | None = None


@dataclass(frozen=True, slots=True)
class TryDlms:
    """Ask once whether a DLMS meter lets the public client in, which changes nothing in any meter."""


@dataclass(frozen=True, slots=True)
class PassedWithout:
    """A whole pass found nothing: wait before the next one."""

    number: int
    pause_s: float


Step = Listen | TrySignOn | TryDlms | PassedWithout


def steps(settings: DetectionSettings, known: KnownLine | None) -> Iterator[Step]:
    """What to try, for ever: what was known first, a short pass, then thorough ones with growing pauses."""
    if known is not None:
        yield _again(known, settings)
    for line in QUICK:
        yield Listen(line, settings.quick_s)
    yield TrySignOn(QUICK_ANSWER_S)
    yield Listen(QUICK_LATER, settings.quick_s)
    yield TryDlms()
    number, pause_s = 1, settings.first_pause_s
    while True:
        for line in THOROUGH:
            yield Listen(line, settings.thorough_s)
        yield TrySignOn(THOROUGH_ANSWER_S)
        yield TryDlms()
        yield PassedWithout(number, pause_s)
        number, pause_s = number + 1, min(settings.longest_pause_s, max(0.5, pause_s * 2))


def _again(known: KnownLine, settings: DetectionSettings) -> Step:
    if not known.poll:
        return Listen(known.settings, settings.thorough_s)
    return TryDlms() if known.protocol is Wire.DLMS else TrySignOn()


def after_noise(
    settings: DetectionSettings, known: KnownLine | None, tried: Listen, received_bytes: int
) -> Listen | None:
    """What to try next where one step heard something that is no telegram: what was known may speak again."""
    if known is None or known.poll or not received_bytes or tried.settings == known.settings:
        return None
    return Listen(known.settings, settings.quick_s)


def at_rest(known: KnownLine | None, pause_s: float) -> Listen | None:
    """How to wait for the next pass: on the line that was known, so that a meter that speaks again is heard at once."""
    return None if known is None or known.poll else Listen(known.settings, pause_s, patient=True)


@dataclass(slots=True)
class Window:
    """One window of listening with all framers at once.

    `outcomes` keeps what was found, in order, KEPT_MAX at most (the first ones), to be handed on once the protocol is
    known or the window is over.
    """

    framer: AnyFramer = field(default_factory=lambda: AnyFramer(bare=False))
    outcomes: list[Frame | FrameError] = field(default_factory=list)
    received_bytes: int = 0
    last_s: float = float("-inf")
    half_shown_s: float = float("-inf")
    bursts: int = 0
    """Bursts that have ended."""
    _newest: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes, now_s: float) -> Frame | None:
        """Take what was heard; the first good frame, if there is one now."""
        self.bursts += bool(self.received_bytes) and now_s - self.last_s >= BURST_GAP_S
        self.received_bytes += len(data)
        self.last_s = now_s
        self._newest += data
        del self._newest[:-NEWEST_BYTES]
        found = self._take(self.framer.feed(data))
        if self.framer.crcs.half_shown and self.half_shown_s == float("-inf"):
            self.half_shown_s = now_s
        return found

    def close(self) -> Frame | None:
        """The end of the window: a frame that only silence ends may come out."""
        return self._take(self.framer.finish())

    def other(self) -> OtherProtocol | None:
        """What a window without a good frame heard, if that is a protocol which Wattline does not read."""
        return recognise(bytes(self._newest))

    @property
    def fruitless(self) -> bool:
        """Whether enough was heard to know that by these settings nothing will come of it."""
        shown = self.half_shown_s != float("-inf") or any(
            isinstance(item, FrameError) and item.reason in WHOLE_FRAME for item in self.outcomes
        )
        return self.bursts >= FRUITLESS_BURSTS and not shown

    def remaining_s(self, started_s: float, for_s: float, now_s: float) -> float:
        """How much longer to listen; 0 and below when the window is over."""
        rest_s = max(started_s + for_s, self.half_shown_s + SECOND_S) - now_s
        if rest_s > 0 or self.last_s == float("-inf"):
            return rest_s
        limit_s = started_s + for_s * (1 + PROLONG_MAX) - now_s
        return min(self.last_s + MID_TELEGRAM_S - now_s, limit_s)

    def _take(self, found: list[Frame | FrameError]) -> Frame | None:
        self.outcomes += found[: max(0, KEPT_MAX - len(self.outcomes))]
        return next((item for item in found if isinstance(item, Frame)), None)
