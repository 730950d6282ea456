"""All readers under one roof: a framer and a parser for each wire, and a framer for a line of unknown protocol."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from broker.errors import FrameError
from meters.iec62056 import Iec62056Framer, parse_iec62056
from meters.iec62056_scan import Accept, Located, TextScanner
from meters.p1 import P1Framer, parse_p1
from meters.p1_crc import LineCrcs
from meters.sml import SmlFramer, parse_sml
from meters.sml_transport import SmlScanner
from meters.telegram import Frame, Framer, Telegram, Wire

_CHUNK_BYTES: Final = 64 * 1024
_P1_END: Final = re.compile(rb"[\n)]![0-9A-Fa-f]{1,4}\r?\n")
_FRAMERS: dict[Wire, type[SmlFramer] | type[Iec62056Framer]] = {
    Wire.SML: SmlFramer,
    Wire.IEC62056_21: Iec62056Framer,
}
_PARSERS = {Wire.P1: parse_p1, Wire.SML: parse_sml, Wire.IEC62056_21: parse_iec62056}


def make_framer(wire: Wire, crcs: tuple[str, ...] = (), *, any_crc: bool = False) -> Framer:
    """A new framer for a line whose protocol is known; `crcs` and `any_crc` as meters.iec62056_scan.Accept has them."""
    return P1Framer(crcs, any_crc=any_crc) if wire is Wire.P1 else _FRAMERS[wire]()


def parse(frame: Frame) -> Telegram:
    """The telegram of a frame. Raises FrameError where the frame is whole but says nothing that can be read."""
    return _PARSERS[frame.protocol](frame)


def read_all(
    wire: Wire, data: bytes, crcs: tuple[str, ...] = (), *, any_crc: bool = False
) -> Iterator[Telegram | FrameError]:
    """The telegrams in bytes that were kept, and what is wrong with the others; `crcs`, `any_crc` as a framer's."""
    framer = make_framer(wire, crcs, any_crc=any_crc)
    for found in (*framer.feed(data), *framer.finish()):
        if isinstance(found, FrameError):
            yield found
            continue
        try:
            yield parse(found)
        except FrameError as error:
            yield error


class AnyFramer:
    """All framers at once on one stream; each byte is given at most once, whichever protocol it is of.

    P1 and IEC 62056-21 mode D are told apart by content. Failures of the text framer inside an SML file are held
    until the file has ended (at most one file's worth) and dropped where they overlap it; a text frame inside an
    unfinished SML file ends that file as torn. Frames come out alike however the stream is sliced.
    """

    def __init__(self, *, bare: bool = True, crcs: tuple[str, ...] = (), any_crc: bool = False) -> None:
        self._text = TextScanner(Accept(bare=bare, crcs=crcs, any_crc=any_crc))
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

    @property
    def crcs(self) -> LineCrcs:
        """The variants of P1's CRC that this line is read by."""
        return self._text.crcs

    def feed(self, data: bytes) -> list[Frame | FrameError]:
        """Take any slice of the line; return what it completed, in order."""
        self._fed += len(data)
        return self._merge(self._text.feed(data), self._sml.feed(data))

    def finish(self) -> list[Frame | FrameError]:
        """End of input or long silence."""
        return self._merge(self._text.finish(), self._sml.finish())

    def _merge(self, text: list[Located], sml: list[Located]) -> list[Frame | FrameError]:
        if not text and not sml and not self._held:
            return []
        frames = [found for found in text if isinstance(found.event, Frame)]
        if frames and self._sml.inside and self._sml.start < frames[-1].end:
            sml += self._sml.abandon(frames[-1].end)
        if sml and frames:
            sml = [_apart(found, frames) for found in sml]
        self._held += text
        waits_from = self._sml.start if self._sml.inside else None
        ready: list[Located] = list(sml)
        held: list[Located] = []
        for found in self._held:
            if isinstance(found.event, Frame):
                ready.append(found)
            elif any(found.start < other.end and other.start < found.end for other in sml):
                continue
            elif waits_from is not None and found.end > waits_from:
                held.append(found)
            else:
                ready.append(found)
        self._held = held
        return self._ordered(ready)

    def _ordered(self, ready: list[Located]) -> list[Frame | FrameError]:
        ready.sort(key=_place)
        events = []
        for found in ready:
            if found.start >= self._covered_to and found.end > found.start:
                events.append(found.event)
                self._given += found.end - found.start
                self._covered_to = found.end
        return events


def _place(found: Located) -> tuple[int, int]:
    return found.start, found.end


def _apart(found: Located, frames: list[Located]) -> Located:
    """An SML file, or its failure, without the text frame that stands in it: what came before is torn."""
    for frame in frames:
        if found.start < frame.end and frame.start < found.end:
            data = found.event.data[: max(0, frame.start - found.start)]
            error = FrameError("truncated", "a telegram of another protocol stands inside", offset=len(data), data=data)
            return Located(found.start, found.start + len(data), error)
    return found


def crcs_of(line: bytes) -> tuple[str, ...] | None:
    """The variants of P1's CRC that a capture is to be read by; None where any may be, as with a single telegram.

    Where the usual CRC holds for one telegram, or a variant for more than any other, what fits another one is damaged.
    """
    if _P1_END.search(line) is None:
        return None
    framer, found = AnyFramer(bare=False, any_crc=True), Counter[str]()
    for start in range(0, len(line), _CHUNK_BYTES):
        frames = [item for item in framer.feed(line[start : start + _CHUNK_BYTES]) if isinstance(item, Frame)]
        found.update(frame.crc for frame in frames if frame.crc or _P1_END.search(frame.data))
        if found[""]:
            return ()
    most = found.most_common(2)
    alone = len(most) == 1 or (len(most) > 1 and most[0][1] > most[1][1])
    return (most[0][0],) if alone and most[0][1] > 1 else None
