"""Where the servers of tests keep their data: in memory, where this machine has the room."""

import os
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 5 * 1024**3
"""What eight workers' servers may come to; each keeps half a gigabyte of WAL at most."""


def runs_in_memory() -> Path | None:
    """A folder for runs on a tmpfs that is large enough and lets programs run, else None: the disk does, slowly.

    A database is copied for each test that wants one, some 750 files: a tenth of the time that a disk takes.
    """
    try:
        there = os.statvfs(_MEMORY)
    except OSError:
        return None
    if there.f_flag & os.ST_NOEXEC or there.f_bavail * there.f_frsize < _ROOM_BYTES:
        return None
    return _MEMORY / f"wattline-{os.geteuid()}"
