"""Raw frames that wait on disk until their meter's spec is known; then they are decoded at their true times."""

import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from broker.contract.messages import Clock
from device.files import write_atomically
from meters.telegram import Frame, Wire

log = structlog.get_logger()

_HEADER: Final = struct.Struct("<II")
_FIXED: Final = struct.Struct("<dBBB")
_CLOCKS: Final = tuple(Clock)
_WIRES: Final = tuple(Wire)
_MAX_BODY_BYTES: Final = 4 * 1024 * 1024
_AT_MAX_S: Final = 2.5e11
"""A time of receipt beyond the year 9800 is damage."""


@dataclass(frozen=True, slots=True)
class WaitingFrame:
    """A frame with its time of receipt, how far to trust that, and its meter's key ('' while unknown)."""

    at: datetime
    clock: Clock
    meter: str
    frame: Frame


class WaitingFrames:
    """One port's waiting frames in one file, bounded by `limit_bytes`.

    When it is full `add` says no, and the caller publishes the frame raw instead: the platform decodes it then.
    Damaged records are left out and counted in `damaged_bytes`; those around them are found. `meters` are the keys of
    those whose frames wait.
    """

    def __init__(self, folder: Path, port: str, limit_bytes: int) -> None:
        self._file = folder / f"{hashlib.sha256(port.encode()).hexdigest()[:16]}.held"
        self._limit = limit_bytes
        self.damaged_bytes = 0
        self.count = 0
        self.meters: set[str] = set()
        self._size = 0
        self._unsynced = False
        for one in self.read():
            self.count += 1
            self.meters.add(one.meter)
        if self.count:
            log.info("held_frames_found", port=port, frames=self.count)

    def add(self, frame: WaitingFrame) -> bool:
        """Keep one frame; False where there is no room for it, or the disk refuses."""
        data = _encode(frame)
        if self._size + len(data) > self._limit:
            return False
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("ab") as file:
                if file.tell() > self._size:
                    # a torn end, from a power cut or a refused write: what follows it would not be found
                    file.truncate(self._size)
                file.write(data)
        except OSError as error:
            log.warning("held_frame_refused", path=str(self._file), error=str(error))
            return False
        self._size += len(data)
        self.count += 1
        self.meters.add(frame.meter)
        self._unsynced = True
        return True

    def take_unsynced(self) -> list[int]:
        """Descriptors whose contents the disk may not have yet, for `outbox_segments.sync`."""
        if not self._unsynced:
            return []
        self._unsynced = False
        try:
            return [os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)]
        except OSError:
            return []

    def read(self) -> Iterator[WaitingFrame]:
        """All waiting frames, oldest first."""
        try:
            data = self._file.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("held_frames_unreadable", path=str(self._file), error=str(error))
            return
        place = whole = damaged = 0
        while place < len(data):
            found = _decode(data, place)
            if found is not None:
                one, place = found
                whole = place
                yield one
                continue
            following = _next_whole(data, place)
            damaged += following - place
            place = following
        self._size = whole
        if damaged > self.damaged_bytes:
            log.warning("held_frames_damaged", path=str(self._file), bytes=damaged)
            self.damaged_bytes = damaged

    def replace(self, kept: list[WaitingFrame]) -> None:
        """Keep only these. Raises OSError."""
        data = b"".join(_encode(one) for one in kept)
        if data:
            write_atomically(self._file, data)
        else:
            self._file.unlink(missing_ok=True)
        self._size, self.count = len(data), len(kept)
        self.meters = {one.meter for one in kept}


def _encode(one: WaitingFrame) -> bytes:
    key = one.meter.encode()
    fixed = _FIXED.pack(one.at.timestamp(), _CLOCKS.index(one.clock), _WIRES.index(one.frame.protocol), len(key))
    body = fixed + key + one.frame.data
    return _HEADER.pack(len(body), zlib.crc32(body)) + body


def _next_whole(data: bytes, place: int) -> int:
    """Where the next whole record begins behind a damaged one; the end where there is none."""
    if place + _HEADER.size <= len(data):
        # most likely only its contents are damaged
        following = place + _HEADER.size + int(_HEADER.unpack_from(data, place)[0])
        if _decode(data, following) is not None:
            return following
    return next((at for at in range(place + 1, len(data)) if _decode(data, at) is not None), len(data))


def _decode(data: bytes, place: int) -> tuple[WaitingFrame, int] | None:
    start = place + _HEADER.size
    if start + _FIXED.size > len(data):
        return None
    length, check = _HEADER.unpack_from(data, place)
    # looked at first: a record is sought at each octet behind a damaged one
    if not _FIXED.size <= length <= min(_MAX_BODY_BYTES, len(data) - start):
        return None
    at_s, clock, wire, key_length = _FIXED.unpack_from(data, start)
    if clock >= len(_CLOCKS) or wire >= len(_WIRES) or not 0 <= at_s < _AT_MAX_S or key_length > length:
        return None
    body = data[start : start + length]
    if zlib.crc32(body) != check:
        return None
    key = body[_FIXED.size : _FIXED.size + key_length]
    frame = Frame(_WIRES[wire], body[_FIXED.size + key_length :])
    return WaitingFrame(datetime.fromtimestamp(at_s, UTC), _CLOCKS[clock], key.decode(), frame), start + length
