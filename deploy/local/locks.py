"""Locks between processes: a file that the kernel unlocks when its holder dies, by whatever signal."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_lock(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of this file; `waiting` is called once where another process holds it."""
    descriptor = take_lock(path, waiting)
    try:
        yield
    finally:
        os.close(descriptor)


def take_lock(path: Path, waiting: Callable[[], None] = lambda: None) -> int:
    """Take the lock and return the descriptor that holds it; closing that (or dying) gives the lock back."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _try(descriptor):
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _names(path, descriptor):
            return descriptor
        # The last holder removed the file while this process waited for it: lock the new one.
        os.close(descriptor)


def try_lock(path: Path) -> int | None:
    """Take the lock of a file that exists, without waiting; None where its holder lives or the file is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if _try(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _names(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
