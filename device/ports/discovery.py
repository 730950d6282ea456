"""Which serial ports there are: those named in the settings, else what this machine has, looked for again and again."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

PATTERNS: Final = ("serial/by-id/*", "ttyUSB*", "ttyACM*", "ttyAMA0")


def find_ports(folder: Path = Path("/dev"), patterns: Iterable[str] = PATTERNS) -> list[str]:
    """Ports under names that last: a by-id link stands for the device it points to."""
    found: dict[Path, str] = {}
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            found.setdefault(path.resolve(), str(path))
    return list(found.values())
