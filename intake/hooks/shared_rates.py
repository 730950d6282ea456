"""What sources have left of their rates, in memory that all processes of this host share."""

import contextlib
import errno
import fcntl
import hashlib
import math
import mmap
import os
import stat
import time
from contextlib import AbstractContextManager
from pathlib import Path
from struct import Struct
from typing import Final, Self

import structlog

from broker.errors import PermanentError
from intake.hooks.rates import AHEAD_S, Left

log = structlog.get_logger()
SLOTS: Final = 16_384
"""Sources that can be counted together. A further one gets the place of one that has all of its rate left; where there
is none, each process counts it alone, which its log says."""
TRIES: Final = 10_000
"""Some milliseconds: a process that is stopped amid the few instructions under a lock holds up no other."""
SLOT: Final = Struct("=Qdddd")
SIZE: Final = SLOTS * SLOT.size
_NAME: Final = Struct("=Q")
_LEFT: Final = Struct("=dddd")
_NOTHING: Final = (-math.inf, 0.0, 0.0, -math.inf)
_BUSY: Final = frozenset({errno.EAGAIN, errno.EACCES})


class SharedRates(AbstractContextManager["SharedRates"]):
    """A file that is a table: of each source the digest of its name, and what it has left.

    Locks are POSIX's, by the slot and the process, and end with their process. Times are of the clock that counts from
    the host's start (CLOCK_MONOTONIC), which is one for all of them. A file in memory is enough: who finds an empty one
    lets each source send its burst.
    """

    def __init__(self, path: Path) -> None:
        """Raises PermanentError where it can't be used, or is somebody else's."""
        with contextlib.ExitStack() as opened:
            try:
                # who waits for a reader of a pipe would wait for ever
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
                opened.callback(os.close, self._file)
                _make_room(self._file)
                self.memory = mmap.mmap(self._file, SIZE)
            except OSError as error:
                raise PermanentError(
                    f"WATTLINE_INTAKE_RATES_FILE {path} can't be used: {error.strerror}; name one of {SIZE} bytes on a "
                    "file system in memory, which intakes make themselves, and remove one of another version"
                ) from error
            opened.pop_all()

    def __exit__(self, *_: object) -> None:
        self.memory.close()
        os.close(self._file)

    def of(self, source: str) -> Left:
        """Where to count a source."""
        digest = int.from_bytes(hashlib.blake2b(source.encode(), digest_size=8).digest(), "little") or 1
        return _SharedLeft(self, digest, source)

    def place(self, digest: int, source: str) -> int | None:
        """Where the slot of a source begins, a new one where it has none; None where all are others'."""
        for number in range(SLOTS):
            at = (digest + number) % SLOTS * SLOT.size
            (found,) = _NAME.unpack_from(self.memory, at)
            if found == digest or (found == 0 and self._claim(at, digest, 0)):
                return at
        return self._replace(digest, source)

    def _claim(self, at: int, digest: int, before: int) -> bool:
        """Have a slot for a source, unless it is no more what it was `before`; whether it is the source's now."""
        held = self.lock(at)
        try:
            (found, at_s, _, _, full_at_s) = SLOT.unpack_from(self.memory, at)
            if found == before and _is_full(at_s, full_at_s):
                SLOT.pack_into(self.memory, at, digest, *_NOTHING)
                return True
            return bool(found == digest)
        finally:
            if held:
                self.unlock(at)

    def _replace(self, digest: int, source: str) -> int | None:
        """Take the place of a source that has all of its rate left: what is counted of it is nothing."""
        # behind the table: two processes would give one source two places
        held = self.lock(SIZE)
        try:
            slots = list(SLOT.iter_unpack(self.memory[:SIZE]))
            for number, (found, *_) in enumerate(slots):
                if found == digest:
                    return number * SLOT.size
            for number, (found, at_s, _, _, full_at_s) in enumerate(slots):
                at = number * SLOT.size
                if _is_full(at_s, full_at_s) and self._claim(at, digest, found):
                    return at
        finally:
            if held:
                self.unlock(SIZE)
        log.error("rates_full", source=source, sources=SLOTS, fix="restart all intakes of this host")
        return None

    def lock(self, at: int) -> bool:
        """Keep others from a slot; False where one is kept by somebody who does not go on."""
        for _ in range(TRIES):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, SLOT.size, at)
            except OSError as error:
                if error.errno not in _BUSY:
                    raise
            else:
                return True
        return False

    def unlock(self, at: int) -> None:
        """Let others at it again."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, SLOT.size, at)


def _make_room(file: int) -> None:
    """Have a new file be all of the table; one of another size is somebody else's. Raises OSError.

    None is cut, and each byte has its room from the start: beyond a file's end, or where the file system has no
    room, the kernel ends whoever writes to memory that is mapped (SIGBUS), and no error says why.
    """
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise OSError(errno.EINVAL, "it is no file")
    # behind the table: nobody else sees a half of it
    fcntl.lockf(file, fcntl.LOCK_EX, 1, SIZE)
    try:
        found = os.fstat(file)
        if found.st_size not in (0, SIZE):
            raise OSError(errno.EFBIG, f"it has {found.st_size} bytes, so that it is another's")
        os.posix_fallocate(file, 0, SIZE)
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, SIZE)


def _is_full(at_s: float, full_at_s: float) -> bool:
    """Whether a source has all of its rate left, or was counted before the host began anew."""
    now_s = time.monotonic()
    return full_at_s <= now_s or at_s > now_s + AHEAD_S


class _SharedLeft(Left):
    """What is left of one source's rate, under its slot's lock from `begin` to `end`; without a slot, here alone."""

    __slots__ = ("_at", "_digest", "_is_held", "_rates", "_source")

    def __init__(self, rates: SharedRates, digest: int, source: str) -> None:
        super().__init__()
        self._rates, self._digest, self._source, self._is_held = rates, digest, source, False
        self._at = rates.place(digest, source)

    def begin(self) -> Self:
        while self._at is not None:
            self._is_held = self._rates.lock(self._at)
            found, *left = SLOT.unpack_from(self._rates.memory, self._at)
            if found == self._digest:
                self.at_s, self.posts, self.bytes, self.full_at_s = left
                break
            # it had all of its rate left, and another source got the slot
            if self._is_held:
                self._rates.unlock(self._at)
            self.forget()
            self._at = self._rates.place(self._digest, self._source)
        return self

    def end(self) -> None:
        if self._at is None:
            return
        _LEFT.pack_into(self._rates.memory, self._at + _NAME.size, self.at_s, self.posts, self.bytes, self.full_at_s)
        if self._is_held:
            self._rates.unlock(self._at)
