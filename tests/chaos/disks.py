"""A small disk for one folder, filled to the last octet and emptied again."""

import asyncio
import errno
import os
import subprocess
from pathlib import Path
from typing import Final

from broker.errors import PermanentError

_BLOCK: Final = bytes(4096)
_BALLAST: Final = "ballast"
SIZES_MIB: Final = {"outbox": 8, "database": 320, "wal": 320, "broker": 16}
"""Small enough to be filled in no time, large enough for what a run writes."""


class Disk:
    """A tmpfs at a folder; `fill` leaves no room on it until `empty` (needs root)."""

    def __init__(self, folder: Path, size_mib: int) -> None:
        self.folder = folder
        self._size_mib = size_mib

    def mount(self, mode: str = "0700") -> None:
        """Put it in place. Raises PermanentError where this process may not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        options = f"size={self._size_mib}m,mode={mode}"
        command = ["mount", "-t", "tmpfs", "-o", options, "wattline-chaos", str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PermanentError(f"no small disk: {done.stderr.strip()}; it wants root and mount")

    def unmount(self) -> None:
        """Take it away with what is on it."""
        subprocess.run(["umount", "-l", str(self.folder)], capture_output=True, check=False)

    async def fill(self) -> None:
        """Leave no room."""
        await asyncio.to_thread(self._fill)

    def empty(self) -> None:
        """Give the room back."""
        (self.folder / _BALLAST).unlink(missing_ok=True)

    def _fill(self) -> None:
        with (self.folder / _BALLAST).open("ab", buffering=0) as file:
            while True:
                try:
                    file.write(_BLOCK)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    return


def usable() -> bool:
    """Whether this process may mount."""
    return os.geteuid() == 0
