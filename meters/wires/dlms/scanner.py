"""Finds DLMS messages in a byte stream: over HDLC, over M-Bus, and ciphered P1 telegrams without any framing."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from broker.errors import FrameError
from meters.telegram import Frame, Wire
from meters.wires.dlms import ciphered_p1, hdlc, mbus
from meters.wires.dlms.units import NotAUnitError, Unit
from meters.wires.located import Located

MAX_PUSH_BYTES: Final = 64 * 1024
_SLICE_BYTES: Final = 4096
_BEFORE_BYTES: Final = 8
_START: Final = re.compile(
    rb"\x7e(?=[\x7e\xa0-\xaf]|\Z)|\x68(?=(.)\1\x68|.{0,2}\Z)|\xdb(?=\x08[A-Za-z]|\x08?\Z)", re.DOTALL
)
_FRAME_START: Final = re.compile(rb"\x7e(?=[\xa0-\xaf]|\Z)|\x68(?=(.)\1\x68|.{0,2}\Z)", re.DOTALL)
_INSIDE: Final = re.compile(
    rb"\xe6[\xe6\xe7]\x00\Z|\xe0.\x00\x01\x00\x00(?:[\x00-\x7f]|\x81.)\Z|\x68[\x53\x73].[\x00-\x1f]..\Z", re.DOTALL
)
"""What stands before a ciphered message inside a damaged frame: it is not one of its own."""
_SOUND_BYTES: Final = 15
"""After so many octets of a unit its head has been found sound."""


class Message(Protocol):
    """A message in the making."""

    pieces: list[tuple[int, int]]

    def take(self, unit: Unit) -> bytes | None:
        """Take a unit; the message once it is whole."""
        ...


class Reader(Protocol):
    """Reads one unit of a framing; see meters.wires.dlms.hdlc.next_unit."""

    def __call__(self, buffer: bytes | bytearray, at: int, *, final: bool) -> Unit | None:
        """The unit that begins here; None where it goes on."""
        ...


@dataclass(frozen=True, slots=True)
class Link:
    """A framing: how a unit is read, how a message is put together, and whose frame it is."""

    next_unit: Reader
    message: Callable[[], Message]
    wire: Wire


LINKS: Final = {
    hdlc.FLAG: Link(hdlc.next_unit, hdlc.HdlcMessage, Wire.DLMS),
    mbus.START: Link(mbus.next_unit, mbus.MbusMessage, Wire.DLMS),
    ciphered_p1.START: Link(ciphered_p1.next_unit, ciphered_p1.Alone, Wire.P1),
}
"""The framings by their first octet."""


def link_of(octet: int) -> Link | None:
    """The framing that begins with this octet; a frame behind a flag that two frames share begins with its format."""
    return LINKS.get(hdlc.FLAG if octet & 0xF0 == 0xA0 else octet)


class DlmsScanner:
    """Finds messages in any slices of a stream; holds at most one of 64 KiB. `wires` are those whose frames it gives.

    A frame is all the units of one message. A unit that begins another message inside one ends that as torn; parts
    whose beginning was not heard are skipped. Every byte is in one frame, in one failure, or counted in `skipped`.
    """

    def __init__(self, wires: frozenset[Wire] = frozenset({Wire.DLMS, Wire.P1})) -> None:
        self.skipped = 0
        self._links = {octet: link for octet, link in LINKS.items() if link.wire in wires}
        self._found: list[Located] = []
        self._buffer = bytearray()
        self._base = 0
        self._before = b""
        self._shared = False
        self._begin()

    @property
    def pending(self) -> int:
        """How many bytes wait for more."""
        return len(self._buffer)

    @property
    def start(self) -> int:
        """The place in the stream of the first byte that waits for more."""
        return self._base

    @property
    def inside(self) -> bool:
        """Whether a message has begun and its end has not come."""
        return self._at > 0 or self._sound

    def feed(self, data: bytes) -> list[Located]:
        """Take any slice; return what it completed, in order."""
        for start in range(0, len(data), _SLICE_BYTES):
            self._buffer += data[start : start + _SLICE_BYTES]
            self._run(final=False)
        return self._take()

    def finish(self) -> list[Located]:
        """End of input or long silence: an unfinished message is torn."""
        self._run(final=True)
        self._give_up(len(self._buffer))
        return self._take()

    def abandon(self, place: int) -> list[Located]:
        """Give up an unfinished message before `place` in the stream, where another protocol's telegram ends."""
        self._give_up(min(place - self._base, len(self._buffer)))
        self._run(final=False)
        return self._take()

    def _begin(self) -> None:
        self._at = 0
        self._sound = False
        self._message: Message | None = None
        self._current: Link | None = None

    def _run(self, *, final: bool) -> None:
        while self._at < len(self._buffer) and self._step(final=final):
            pass

    def _take(self) -> list[Located]:
        found, self._found = self._found, []
        return found

    def _give_up(self, end: int) -> None:
        if self.inside:
            self._fail(FrameError("truncated", "the message ends before its last part", offset=end))
        else:
            self._skip(end)

    def _step(self, *, final: bool) -> bool:
        """Read one unit; False where more must come."""
        if not self._at and not self._seek():
            return False
        if self._at and self._buffer[self._at : self._at + 2] == b"\x7e\x7e":
            # more flags than one between the frames of a message
            self._at += 1
            return True
        link = self._link(self._buffer[self._at])
        try:
            unit = link.next_unit(self._buffer, self._at, final=final) if link is not None else None
        except NotAUnitError:
            return self._torn()
        except FrameError as error:
            return self._fail(error)
        if link is None:
            return self._torn()
        return self._add(link, unit) if unit is not None else self._wait()

    def _wait(self) -> bool:
        """Note whether enough of a unit is here to know that it is one."""
        self._sound = len(self._buffer) - self._at >= _SOUND_BYTES
        return False

    def _link(self, octet: int) -> Link | None:
        """The framing of the octet; inside a message that message's alone."""
        link = self._links.get(hdlc.FLAG if octet & 0xF0 == 0xA0 and (self._shared or self._at) else octet)
        return link if self._current in (None, link) else None

    def _add(self, link: Link, unit: Unit) -> bool:
        message = self._message or link.message()
        try:
            whole = message.take(unit)
        except NotAUnitError:
            # begins another message, or belongs to one whose beginning was not heard
            return self._torn() if self._at else self._skip(unit.end, closed=True)
        except FrameError as error:
            error.offset = unit.end
            return self._fail(error)
        if whole is None:
            self._message, self._current, self._at, self._sound = message, link, unit.end, False
            return unit.end <= MAX_PUSH_BYTES or self._fail(
                FrameError("too_long", f"a message over more than {MAX_PUSH_BYTES} bytes", offset=unit.end)
            )
        frame = Frame(link.wire, bytes(self._buffer[: unit.end]), self._base)
        self._found.append(Located(self._base, self._base + unit.end, frame))
        return self._drop(unit.end, closed=True)

    def _seek(self) -> bool:
        """Bring the next octet that may begin a unit to the front."""
        if self._shared and self._buffer[0] & 0xF0 == 0xA0:
            return True
        while (match := _START.search(self._buffer)) is not None:
            self._skip(match.start())
            first = self._buffer[0]
            if first in self._links and not (first == ciphered_p1.START and _INSIDE.search(self._before)):
                return True
            self._skip(1)
        self._skip(len(self._buffer))
        return False

    def _torn(self) -> bool:
        """No unit of the message stands here: what was gathered is torn; what never was a unit is skipped."""
        if not self._at:
            return self._skip(1)
        return self._fail(FrameError("truncated", "the message ends before its last part", offset=self._at))

    def _fail(self, error: FrameError) -> bool:
        """Give up the octets before the error's place, or before the next unit in them: octets may have been lost."""
        end = min(max(error.offset, 1), len(self._buffer))
        inner = self._inner_start(end) if error.reason == "crc_mismatch" else end
        if inner < end:
            error, end = FrameError("truncated", "a new frame starts inside"), inner
        data = bytes(self._buffer[:end])
        self._found.append(
            Located(self._base, self._base + end, FrameError(error.reason, error.detail, offset=end, data=data))
        )
        return self._drop(end)

    def _inner_start(self, end: int) -> int:
        """Where a unit begins behind the first octet of the one that failed, or may begin where the octets end."""
        for match in _FRAME_START.finditer(self._buffer, self._at + 1, end):
            at = match.start()
            try:
                LINKS[self._buffer[at]].next_unit(self._buffer, at, final=False)
            except NotAUnitError:
                continue
            except FrameError:
                pass
            return at
        return end

    def _skip(self, count: int, *, closed: bool = False) -> bool:
        self.skipped += count
        return self._drop(count, closed=closed)

    def _drop(self, count: int, *, closed: bool = False) -> bool:
        gone = bytes(self._buffer[max(0, count - _BEFORE_BYTES) : count])
        self._before = (self._before + gone)[-_BEFORE_BYTES:]
        self._shared = closed and gone.endswith(b"\x7e")
        del self._buffer[:count]
        self._base += count
        self._begin()
        return True
