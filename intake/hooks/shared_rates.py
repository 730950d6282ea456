"""What sources have left of their rates, in memory that all processes of this host share."""

import contextlib
import errno
import fcntl
import hashlib
import math
import mmap
import os
import stat
from contextlib import AbstractContextManager
from pathlib import Path
from struct import Struct
from typing import Final, Self

import structlog

from broker.errors import PermanentError
from intake.hooks.rates import Left

log = structlog.get_logger()
SLOTS: Final = 16_384
"""Sources that can be counted together; further ones are counted by each process alone, which its log says."""
TRIES: Final = 10_000
"""Some milliseconds: a process that is stopped amid the few instructions under a lock holds up no other."""
_SLOT: Final = Struct("=Qddd")
SIZE: Final = SLOTS * _SLOT.size
_NAME: Final = Struct("=Q")
_LEFT: Final = Struct("=ddd")
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
        for number in range(SLOTS):
            at = (digest + number) % SLOTS * _SLOT.size
            held = self.lock(at)
            try:
                (found,) = _NAME.unpack_from(self.memory, at)
                if found == 0:
                    _SLOT.pack_into(self.memory, at, digest, -math.inf, 0.0, 0.0)
                if found in (0, digest):
                    return _SharedLeft(self, at)
            finally:
                if held:
                    self.unlock(at)
        log.error("rates_full", source=source, sources=SLOTS, fix="restart all intakes of this host")
        return Left()

    def lock(self, at: int) -> bool:
        """Keep others from a slot; False where one is kept by somebody who does not go on."""
        for _ in range(TRIES):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, _SLOT.size, at)
            except OSError as error:
                if error.errno not in _BUSY:
                    raise
            else:
                return True
        return False

    def unlock(self, at: int) -> None:
        """Let others at it again."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, _SLOT.size, at)


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


class _SharedLeft(Left):
    """What is left of one source's rate, under its lock from `begin` to `end`."""

    __slots__ = ("_at", "_is_held", "_rates")

    def __init__(self, rates: SharedRates, at: int) -> None:
        super().__init__()
        self._rates, self._at, self._is_held = rates, at, False

    def begin(self) -> Self:
        self._is_held = self._rates.lock(self._at)
        self.at_s, self.posts, self.bytes = _LEFT.unpack_from(self._rates.memory, self._at + _NAME.size)
        return self

    def end(self) -> None:
        _LEFT.pack_into(self._rates.memory, self._at + _NAME.size, self.at_s, self.posts, self.bytes)
        if self._is_held:
            self._rates.unlock(self._at)
