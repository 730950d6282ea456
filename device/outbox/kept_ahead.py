"""What this agent had gathered when it was set back: kept by the older one, found when this one runs again."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import structlog

from device.formats import NEWER, set_aside
from device.outbox.record import is_newer

log = structlog.get_logger()


class KeptAhead:
    """Write-ahead files that were kept for a newer agent, beside those in use, under as many names as it took."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: list[Path] = []

    def keep(self, path: Path) -> None:
        """Keep one for the agent that wrote it; what was kept before stays, for nobody has sent it yet."""
        set_aside(path, beside_others=True)

    def contents(self) -> Iterator[bytes]:
        """What those hold that this agent can read, until `drop`; what the disk does not give stays where it is."""
        for path in sorted(self._folder.glob(f"*.ahead{NEWER}*")):
            try:
                data = path.read_bytes()
            except OSError as error:
                log.warning("write_ahead_unreadable", path=str(path), error=str(error))
                continue
            if not is_newer(data):
                self._read.append(path)
                yield data

    def drop(self) -> None:
        """The disk has in the outbox what `contents` gave."""
        while self._read:
            with contextlib.suppress(OSError):
                self._read.pop().unlink(missing_ok=True)
