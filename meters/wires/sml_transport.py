"""SML transport protocol version 1 (BSI TR-03109-1 IV, 8): files between escape sequences, with their CRC."""

import binascii

from broker.errors import FrameError
from meters.telegram import Frame, Wire
from meters.wires.located import Located
from meters.wires.text.marks import MAY_START

MAX_FILE_BYTES = 64 * 1024
ESCAPE = b"\x1b\x1b\x1b\x1b"
START = ESCAPE + b"\x01\x01\x01\x01"
_END_BYTES = 8
_MAX_PADDING = 3
_SUFFIX_TRIES = 4
_SLICE_BYTES = 4096
_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def crc_x25(data: bytes) -> int:
    """CRC-16/X-25 with its octets in the order of the wire, as SML states it."""
    crc = binascii.crc_hqx(data.translate(_MIRROR), 0xFFFF) ^ 0xFFFF
    return _MIRROR[crc >> 8] << 8 | _MIRROR[crc & 0xFF]


def crc_kermit(data: bytes) -> int:
    """CRC-16/KERMIT with its octets in the order of the wire, as some meters (Holley) state it."""
    crc = binascii.crc_hqx(data.translate(_MIRROR), 0)
    return _MIRROR[crc >> 8] << 8 | _MIRROR[crc & 0xFF]


def crc_fits(data: bytes, stated: int) -> bool:
    """Whether one of the CRCs in use holds; `stated` is as the two octets stand on the wire."""
    x25 = crc_x25(data)
    swapped = (stated & 0xFF) << 8 | stated >> 8
    return stated == x25 or stated == (kermit := crc_kermit(data)) or swapped == kermit


def payload(file: bytes) -> bytes:
    """The messages of a whole file: without escape sequences and padding, doubled escapes made single."""
    inner = file[len(START) : -_END_BYTES]
    padding = min(file[-3], _MAX_PADDING)
    if ESCAPE in inner:
        inner = inner.replace(ESCAPE + ESCAPE, ESCAPE)
    return inner[: len(inner) - padding] if padding else inner


class SmlScanner:
    """Finds SML files in any slices of a stream; holds at most one of 64 KiB.

    A start sequence inside a file ends that one as torn and begins anew. Every byte is in one frame, in one failure,
    or counted in `skipped`.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._found: list[Located] = []
        self._buffer = bytearray()
        self._base = 0
        self._scan = 0
        self._inside = False

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
        """Whether a start sequence has been seen and its end has not."""
        return self._inside

    def feed(self, data: bytes) -> list[Located]:
        """Take any slice; return what it completed, in order."""
        for start in range(0, len(data), _SLICE_BYTES):
            self._buffer += data[start : start + _SLICE_BYTES]
            self._run()
        return self._take()

    def finish(self) -> list[Located]:
        """End of input or long silence: an unfinished file is torn."""
        self._abandon(len(self._buffer))
        return self._take()

    def abandon(self, place: int) -> list[Located]:
        """Give up an unfinished file before `place` in the stream, where another protocol's telegram ends."""
        self._abandon(min(place - self._base, len(self._buffer)))
        self._run()
        return self._take()

    def _run(self) -> None:
        while self._buffer and (self._within() if self._inside else self._outside()):
            pass

    def _take(self) -> list[Located]:
        found, self._found = self._found, []
        return found

    def _abandon(self, end: int) -> None:
        if self._inside:
            self._fail("truncated", "the file ends before its end sequence", end)
        else:
            self._skip(end)

    def _outside(self) -> bool:
        at = self._buffer.find(START)
        if at >= 0:
            self._skip(at)
            self._inside = True
            self._scan = len(START)
            return True
        keep = _start_part(self._buffer)
        self._skip(len(self._buffer) - keep)
        return False

    def _within(self) -> bool:
        buffer = self._buffer
        at = buffer.find(ESCAPE, self._scan, MAX_FILE_BYTES)
        if at < 0:
            self._scan = max(self._scan, min(len(buffer), MAX_FILE_BYTES) - len(ESCAPE) + 1)
            if len(buffer) <= MAX_FILE_BYTES:
                return False
            self._fail("too_long", f"no end within {MAX_FILE_BYTES} bytes", MAX_FILE_BYTES)
            return True
        self._scan = at
        if len(buffer) < at + _END_BYTES:
            return False
        mark = bytes(buffer[at + 4 : at + 8])
        if mark == ESCAPE:
            self._scan = at + _END_BYTES
        elif mark == START[4:]:
            self._fail("truncated", "a new file starts inside", at)
        elif mark[0] == 0x1A and mark[1] <= _MAX_PADDING:
            self._end(at + _END_BYTES)
        else:
            self._scan = at + 1
        return True

    def _end(self, end: int) -> None:
        file = bytes(self._buffer[:end])
        if not crc_fits(file[:-2], file[-2] << 8 | file[-1]):
            start = _fitting_suffix(file)
            if start is None:
                self._fail("crc_mismatch", "the CRC of the file does not fit", _lost_end(file))
                return
            # A tail lost behind an escape sequence makes the next start look like escaped data.
            self._fail("truncated", "a new file starts inside", start)
            end -= start
            file = file[start:]
        self._found.append(Located(self._base, self._base + end, Frame(Wire.SML, file, self._base)))
        self._drop(end)

    def _fail(self, reason: str, detail: str, end: int) -> None:
        error = FrameError(reason, detail, offset=end, data=bytes(self._buffer[:end]))
        self._found.append(Located(self._base, self._base + end, error))
        self._drop(end)

    def _skip(self, count: int) -> None:
        self.skipped += count
        self._drop(count)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._base += count
        self._scan = 0
        self._inside = False


def _start_part(buffer: bytes | bytearray) -> int:
    """How many of the last bytes may be the beginning of a start sequence."""
    for count in range(min(len(START) - 1, len(buffer)), 0, -1):
        if buffer.endswith(START[:count]):
            return count
    return 0


def _lost_end(file: bytes) -> int:
    """Where a file with a wrong CRC ends: where the CRC was lost, a next frame begins in the octets read as such."""
    for place in range(len(file) - 3, len(file)):
        if file[place] in MAY_START:
            return place
    return len(file)


def _fitting_suffix(file: bytes) -> int | None:
    at = len(file)
    for _ in range(_SUFFIX_TRIES):
        at = file.rfind(START, len(START), at)
        if at < 0:
            return None
        if crc_fits(file[at:-2], file[-2] << 8 | file[-1]):
            return at
    return None
