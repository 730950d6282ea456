"""Several scanners on one line: each byte is given at most once, whichever protocol it is of."""

from typing import Protocol

from broker.errors import FrameError
from meters.telegram import Frame, Wire
from meters.wires.located import Located
from meters.wires.p1_crc import LineCrcs
from meters.wires.text.scanner import TextScanner


class BinaryScanner(Protocol):
    """Finds the frames of a protocol that begin and end by marks or lengths."""

    @property
    def pending(self) -> int:
        """How many bytes wait for more."""
        ...

    @property
    def start(self) -> int:
        """The place in the stream of the first byte that waits for more."""
        ...

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and its end has not come."""
        ...

    def feed(self, data: bytes) -> list[Located]:
        """Take any slice; return what it completed, in order."""
        ...

    def finish(self) -> list[Located]:
        """End of input or long silence."""
        ...

    def abandon(self, place: int) -> list[Located]:
        """Give up an unfinished frame before `place` in the stream, where another protocol's frame ends."""
        ...


class LoneScanner(BinaryScanner, Protocol):
    """One that may also have a line to itself."""

    @property
    def skipped(self) -> int:
        """Bytes that belonged to no frame."""
        ...


class ScannerFramer:
    """The framer of a line, or of kept bytes, that one scanner reads."""

    def __init__(self, protocol: Wire, scanner: LoneScanner) -> None:
        self.protocol = protocol
        self._scanner = scanner

    @property
    def skipped(self) -> int:
        """Bytes that belonged to no frame."""
        return self._scanner.skipped

    def feed(self, data: bytes) -> list[Frame | FrameError]:
        """Take any slice of the line; return what it completed, in order."""
        return [each.event for each in self._scanner.feed(data)]

    def finish(self) -> list[Frame | FrameError]:
        """End of input or long silence."""
        return [each.event for each in self._scanner.finish()]


class MergedScanners:
    """The scanner of the text protocols and those of binary ones over one stream.

    A frame of another protocol inside an unfinished one ends that as torn. Failures are held while another scanner
    has begun what may explain them (at most one frame's worth), and give way to it: torn frames state lengths and so
    reach into what follows, and binary ones hold octets that look like text. Frames come out alike however the stream
    is sliced.
    """

    def __init__(self, text: TextScanner, *binary: BinaryScanner) -> None:
        self._text = text
        self._binary = binary
        self._fed = 0
        self._given = 0
        self._covered_to = 0
        self._held: list[tuple[int, Located]] = []
        """Failures with the place of their scanner, 0 being the text's."""

    @property
    def skipped(self) -> int:
        """Bytes that belonged to no frame; those that still wait for more are not counted yet."""
        return max(0, self._fed - self.pending - self._given)

    @property
    def pending(self) -> int:
        """How many bytes wait for more."""
        return max(self._text.pending, *(scanner.pending for scanner in self._binary))

    @property
    def crcs(self) -> LineCrcs:
        """The variants of P1's CRC that this line is read by."""
        return self._text.crcs

    def feed(self, data: bytes) -> list[Frame | FrameError]:
        """Take any slice of the line; return what it completed, in order."""
        self._fed += len(data)
        return self._merge(self._text.feed(data), [scanner.feed(data) for scanner in self._binary])

    def finish(self) -> list[Frame | FrameError]:
        """End of input or long silence."""
        return self._merge(self._text.finish(), [scanner.finish() for scanner in self._binary])

    def _merge(self, text: list[Located], binary: list[list[Located]]) -> list[Frame | FrameError]:
        if not text and not self._held and not any(binary):
            return []
        for scanner, own in zip(self._binary, binary, strict=True):
            ends = [
                one.end for each in (text, *binary) if each is not own for one in each if isinstance(one.event, Frame)
            ]
            if ends and scanner.inside and scanner.start < max(ends):
                own.extend(scanner.abandon(max(ends)))
        frames = [(0, one) for one in text if isinstance(one.event, Frame)]
        self._held += [(0, one) for one in text if isinstance(one.event, FrameError)]
        found = [(number, one) for number, own in enumerate(binary, 1) for one in own]
        for number, one in sorted(found, key=lambda each: each[1].end):
            left = _apart(one, [frame for owner, frame in frames if owner != number])
            (frames if isinstance(left.event, Frame) else self._held).append((number, left))
        return self._ordered([*(one for _, one in frames), *self._released(frames)])

    def _released(self, frames: list[tuple[int, Located]]) -> list[Located]:
        """The failures that nothing explains; what may still be explained is held on."""
        ready: list[Located] = []
        held: list[tuple[int, Located]] = []
        latest = max((frame.start for _, frame in frames), default=-1)
        failed = [one for number, one in self._held if number]
        scanners: list[TextScanner | BinaryScanner] = [self._text, *self._binary]
        for number, one in self._held:
            others = [frame for owner, frame in frames if owner != number]
            left = _apart(one, others) if number else one
            if left.end <= left.start or (not number and any(_overlap(one, other) for other in (*others, *failed))):
                continue
            waiting = [scanner for n, scanner in enumerate(scanners) if n != number and scanner.pending]
            # what stands before a frame comes out with it, or it would be late
            if left.start >= latest and any(scanner.start < left.end for scanner in waiting):
                held.append((number, left))
            else:
                ready.append(left)
        self._held = held
        return ready

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


def _overlap(one: Located, other: Located) -> bool:
    return one.start < other.end and other.start < one.end


def _apart(found: Located, frames: list[Located]) -> Located:
    """What another protocol's frame stands in, without that: what came before is torn."""
    place = min((frame.start for frame in frames if _overlap(found, frame)), default=found.end)
    if place >= found.end:
        return found
    data = found.event.data[: max(0, place - found.start)]
    error = FrameError("truncated", "a telegram of another protocol stands inside", offset=len(data), data=data)
    return Located(found.start, found.start + len(data), error)
