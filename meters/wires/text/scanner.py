"""The link layer of the two text protocols: finds readouts (IEC 62056-21) and telegrams (P1) in a byte stream."""

import re
from dataclasses import dataclass
from enum import Enum, auto

from broker.errors import FrameError
from meters.telegram import Frame, Wire
from meters.wires.located import Located
from meters.wires.p1_crc import VARIANTS, LineCrcs, fitting, spelled
from meters.wires.text.checks import (
    PARITY,
    as_sent,
    block_check_fits,
    crc_fits,
    crc_required,
    fitting_suffix,
    inner_header,
    plausible_block,
    plausible_body,
    plausible_header,
    protocol_of,
)
from meters.wires.text.marks import (
    ACK,
    BARE,
    BARE_LOOKAHEAD,
    BARE_PART,
    BARE_START,
    BETWEEN,
    BLOCK,
    BLOCK_TAIL,
    DATA_SET,
    DETAILS,
    END,
    END_PART,
    ETX,
    FLAG,
    FLAG_PART,
    IDLE,
    INNER,
    LINES,
    LINES_PARITY,
    MAX_HEADER_BYTES,
    MAX_TELEGRAM_BYTES,
    MAY_START,
    NO_HEADER,
    NO_HEADER_PARITY,
    SLICE_BYTES,
    STX,
    TAIL,
)


class _State(Enum):
    START = auto()
    IDLE = auto()
    HEADER = auto()
    LINES = auto()
    BLOCK = auto()


@dataclass(frozen=True, slots=True)
class Accept:
    """Which forms a reader takes besides telegrams after a header, and whose frames it calls them.

    `blocks` are STX to ETX and BCC; `bare` ones have neither header nor STX and stand at the start of a stream;
    `protocol` None means by content. `crcs` are variants of P1's CRC that a spec names; with `any_crc` each variant is
    taken from the first telegram on, for bytes that somebody else has judged or a person looks at.
    """

    blocks: bool = True
    bare: bool = True
    identification_only: bool = True
    protocol: Wire | None = None
    crcs: tuple[str, ...] = ()
    any_crc: bool = False


class TextScanner:
    """Finds frames in any slices of a stream; holds at most one telegram of 64 KiB.

    A start inside a frame ends that one as torn and begins anew, so a lost tail never eats the next frame. Every
    byte is in one frame, in one failure, or counted in `skipped`.
    """

    def __init__(self, accept: Accept) -> None:
        self.skipped = 0
        self._accept = accept
        self.crcs = LineCrcs(VARIANTS if accept.any_crc else accept.crcs)
        self._found: list[Located] = []
        self._base = 0
        self._raw = bytearray()
        self._begin(_State.START)

    @property
    def pending(self) -> int:
        """How many bytes wait for more."""
        return len(self._raw)

    @property
    def start(self) -> int:
        """The place in the stream of the first byte that waits for more."""
        return self._base

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and its end has not come."""
        return self._state not in (_State.START, _State.IDLE)

    def feed(self, data: bytes) -> list[Located]:
        """Take any slice; return what it completed, in order."""
        for start in range(0, len(data), SLICE_BYTES):
            piece = data[start : start + SLICE_BYTES]
            self._raw += piece
            if self._parity:
                self._text += piece.translate(PARITY)
            while self._raw and self._step():
                pass
        return self._take()

    def finish(self) -> list[Located]:
        """End of input or long silence: what is left is torn, or a frame that only silence could end."""
        while self._raw:
            self._close()
            while self._raw and self._step():
                pass
        self._begin(_State.START)
        return self._take()

    def _close(self) -> None:
        if self._state is _State.START and BARE.match(self._raw):
            self._begin(_State.LINES, bare=True)
        if self._state in (_State.START, _State.IDLE):
            self._skip(len(self._raw))
        elif self._state is _State.HEADER:
            self._fail("truncated", len(self._raw))
        elif self._state is _State.BLOCK:
            self._finish_block()
        else:
            self._finish_lines()

    def _take(self) -> list[Located]:
        found, self._found = self._found, []
        return found

    def _begin(self, state: _State, *, bare: bool = False, parity: bool = False) -> None:
        self._state = state
        self._bare = bare
        self._parity = parity
        self._text = bytearray(self._raw.translate(PARITY)) if parity else self._raw
        self._scan = 0
        self._body = -1

    def _step(self) -> bool:
        match self._state:
            case _State.START:
                return self._start()
            case _State.IDLE:
                return self._idle()
            case _State.HEADER:
                return self._header()
            case _State.LINES:
                return self._lines()
            case _State.BLOCK:
                return self._block()

    def _start(self) -> bool:
        if self._accept.bare:
            if BARE.match(self._raw):
                self._begin(_State.LINES, bare=True)
                return True
            if len(self._raw) < BARE_LOOKAHEAD and BARE_PART.match(self._raw):
                return False
        self._begin(_State.IDLE)
        return True

    def _idle(self) -> bool:
        match = IDLE.search(self._raw)
        if match is None:
            self._skip(len(self._raw))
            return False
        self._skip(match.start())
        first = self._raw[0]
        if first & 0x7F == STX:
            if self._accept.blocks:
                self._begin(_State.BLOCK, parity=first >= 0x80)
                self._scan = 1
                self._body = 0
            else:
                self._skip(1)
            return True
        head = self._raw[:4].translate(PARITY) if first >= 0x80 else self._raw[:4]
        if FLAG.match(head):
            self._begin(_State.HEADER, parity=first >= 0x80)
            return True
        if FLAG_PART.match(head):
            return False
        self._skip(1)
        return True

    def _header(self) -> bool:
        end = self._text.find(b"\n", self._scan, MAX_HEADER_BYTES)
        odd = (NO_HEADER_PARITY if self._parity else NO_HEADER).search(
            self._text, self._scan, end if end >= 0 else MAX_HEADER_BYTES
        )
        if odd:
            self._fail("bad_character" if odd.group() == b"\x1b" else "parity", odd.start())
            return True
        if end >= 0:
            self._state = _State.LINES
            self._body = self._scan = end
            return True
        if len(self._text) < MAX_HEADER_BYTES:
            self._scan = len(self._text)
            return False
        self._skip(1)
        self._begin(_State.IDLE)
        return True

    def _lines(self) -> bool:
        match = (LINES_PARITY if self._parity else LINES).search(self._text, self._scan, MAX_TELEGRAM_BYTES)
        if match is None:
            self._scan = max(self._scan, min(len(self._text), MAX_TELEGRAM_BYTES) - 1)
            return self._too_long()
        at = match.start()
        if match.group() == b"/":
            return self._slash(at)
        if self._text[at] in b"\n)":
            return self._exclamation(at + 1)
        return self._control(at)

    def _too_long(self) -> bool:
        if len(self._text) <= MAX_TELEGRAM_BYTES:
            return False
        self._fail("too_long", MAX_TELEGRAM_BYTES)
        return True

    def _slash(self, at: int) -> bool:
        self._scan = at
        if self._text[at - 1] == 0x0A and FLAG.match(self._text, at):
            self._fail("truncated", at)
            return True
        match = INNER.match(self._text, at)
        if match is None:
            if FLAG_PART.match(self._text, at) or (len(self._text) == at + 4 and FLAG.match(self._text, at)):
                return False
        elif match.group(1) is not None:
            self._fail("truncated", at)
            return True
        elif bytes(self._text[match.end() :]) in (b"", b"\r") and match.end() - at < MAX_HEADER_BYTES:
            return False
        self._scan = at + 1
        return True

    def _control(self, at: int) -> bool:
        between = bytes(self._text[self._body + 1 : at])
        if not self._bare and BETWEEN.fullmatch(between):
            if self._cut_header():
                return True
            if self._text[at] == STX and self._accept.blocks:
                self._state = _State.BLOCK
                self._body = at
                self._scan = at + 1
                return True
            if self._text[at] in (ACK, ETX):
                self._scan = at + 1
                return True
        if self._bare and self._text[at] == ETX:
            self._finish_bare(at)
            return True
        self._fail("parity" if self._text[at] == 0xFF else "bad_character", at)
        return True

    def _cut_header(self) -> bool:
        """Give up what stands before the last header in a first line that holds another one."""
        start = inner_header(bytes(self._text[: self._body]))
        if start is not None:
            self._fail("truncated", start)
        return start is not None

    def _exclamation(self, at: int) -> bool:
        self._scan = at - 1
        match = END.match(self._text, at)
        if match is None:
            if END_PART.match(self._text, at):
                return False
            self._fail("bad_end", at + 1)
            return True
        if self._bare:
            self._end_bare(at, match)
        else:
            self._end_telegram(at, match.end(), match.group(1))
        return True

    def _end_telegram(self, mark: int, end: int, stated: bytes) -> None:
        covered = bytes(self._text[: mark + 1])
        if stated:
            self._end_checked(covered, end, int(stated, 16))
        elif crc_required(covered):
            self._fail("crc_missing", end)
        else:
            self._end_unchecked(covered, end)

    def _end_checked(self, covered: bytes, end: int, stated: int) -> None:
        crc = ""
        if crc_fits(covered, stated):
            self.crcs.usual()
        elif not (crc := self.crcs.take(as_sent(covered), stated)):
            start = fitting_suffix(covered, stated, self.crcs.known)
            if start is None:
                self._fail("crc_mismatch", end)
                return
            self._fail("truncated", start)
            end -= start
            whole = covered[start:]
            crc = "" if crc_fits(whole, stated) else next(fitting(as_sent(whole), stated, self.crcs.known), "")
        self._emit(end, Wire.P1, crc)

    def _end_unchecked(self, covered: bytes, end: int) -> None:
        if self._cut_header():
            return
        body = covered[self._body : -1]
        if plausible_header(covered[: self._body + 1]) and plausible_body(body):
            self._emit(end, protocol_of(body, checked=False))
        else:
            self._fail("malformed", end)

    def _end_bare(self, mark: int, match: re.Match[bytes]) -> None:
        first = BARE.match(self._text)
        sure = first is not None and BARE_START.fullmatch(first.group(1)) is not None
        if sure and not match.group(1) and plausible_body(bytes(self._text[:mark])):
            self._emit(match.end(), Wire.IEC62056_21)
        else:
            # The tail of a push telegram whose head was not heard: no reading may come of it.
            self._skip(match.end())
            self._begin(_State.IDLE)

    def _block(self) -> bool:
        match = BLOCK.search(self._text, self._scan, MAX_TELEGRAM_BYTES)
        if match is None:
            self._scan = max(self._scan, min(len(self._text), MAX_TELEGRAM_BYTES))
            return self._too_long()
        at = match.start()
        byte = self._text[at]
        if byte == 0x2F:
            return self._slash(at)
        if byte not in (0x03, 0x04):
            self._fail("truncated" if byte == STX else "parity" if byte == 0xFF else "bad_character", at)
            return True
        self._scan = at
        if len(self._text) < at + 2:
            return False
        stated = self._text[at + 1]
        body = bytes(self._text[self._body + 1 : at + 1])
        if not block_check_fits(body, stated):
            self._fail("bcc_mismatch", at + 1 if stated in MAY_START else at + 2)
        elif plausible_block(body):
            self._emit(at + 2, Wire.IEC62056_21)
        else:
            self._fail("malformed", at + 2)
        return True

    def _finish_block(self) -> None:
        body = bytes(self._text[self._body + 1 :])
        tail = BLOCK_TAIL.search(body)
        if tail and plausible_body(body[: tail.start() + 1]):
            self._emit(len(self._raw), Wire.IEC62056_21)
        else:
            self._fail("truncated", len(self._raw))

    def _finish_lines(self) -> None:
        tail = TAIL.search(self._text, max(0, len(self._text) - 8))
        if self._bare:
            self._finish_bare(len(self._raw))
        elif BETWEEN.fullmatch(self._text, self._body + 1) and self._accept.identification_only:
            if self._cut_header():
                return
            if plausible_header(bytes(self._text[: self._body + 1])):
                self._emit(len(self._raw), Wire.IEC62056_21)
            else:
                self._fail("truncated", len(self._raw))
        elif tail:
            self._end_telegram(tail.start(1), len(self._raw), tail.group(2))
        else:
            self._fail("truncated", len(self._raw))

    def _finish_bare(self, end: int) -> None:
        body = bytes(self._text[:end])
        first = BARE.match(body)
        code = first.group(1) if first else b""
        if b":" not in code and not BARE_START.fullmatch(code):
            # A reduced code that opens the stream may be the tail of a longer one: 1.7.0 of 21.7.0.
            cut = body.find(b"\n") + 1
            self._skip(cut or end)
            body = body[cut or end :]
            end = len(body)
        if plausible_body(body) and protocol_of(body, checked=False) is Wire.IEC62056_21:
            self._emit(end, Wire.IEC62056_21)
        else:
            self._fail("truncated", end)

    def _skip(self, count: int) -> None:
        self.skipped += count
        self._drop(count)

    def _drop(self, count: int) -> None:
        del self._raw[:count]
        if self._parity:
            del self._text[:count]
        self._base += count

    def _emit(self, end: int, protocol: Wire, crc: str = "") -> None:
        frame = Frame(self._accept.protocol or protocol, bytes(self._raw[:end]), self._base, crc)
        self._found.append(Located(self._base, self._base + end, frame))
        self._drop(end)
        self._begin(_State.IDLE)

    def _fail(self, reason: str, end: int) -> None:
        """Give up the first `end` bytes: a failure where they look like a telegram, else skipped bytes."""
        data = bytes(self._raw[:end])
        header = (
            bytes(self._text[: self._body + 1]) if bytes(self._raw[:1]) in (b"/", b"\xaf") and self._body > 0 else b""
        )
        if plausible_header(header) or DATA_SET.search(self._text, 0, end):
            half = self.crcs.half_shown if reason == "crc_mismatch" else ""
            detail = f"{DETAILS[reason]}; {spelled(half)} would, and is taken if the next one's does" if half else None
            error = FrameError(reason, detail or DETAILS[reason], offset=end, data=data)
            self._found.append(Located(self._base, self._base + end, error))
            self._drop(end)
        else:
            self._skip(end)
        self._begin(_State.IDLE)
