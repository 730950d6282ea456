"""Who holds a serial port open, as far as the kernel shows it to this account."""

import os
from pathlib import Path
from typing import Final

MOST: Final = 4


def holders(path: str, proc: Path = Path("/proc")) -> list[str]:
    """Programs with this port open, as `name (pid 812)`; those of other accounts only root sees. Blocking, some ms."""
    try:
        wanted = Path(path).stat().st_rdev
    except OSError:
        return []
    others = (one for one in proc.iterdir() if one.name.isdigit() and int(one.name) != os.getpid())
    # only a device has a number by which it is known
    found = [f"{_name(one)} (pid {one.name})" for one in others if wanted and _holds(one / "fd", wanted)]
    return sorted(found)[:MOST]


def _holds(folder: Path, wanted: int) -> bool:
    try:
        return any(_device_of(link) == wanted for link in folder.iterdir())
    except OSError:
        # of another account, or ended meanwhile
        return False


def _device_of(link: Path) -> int:
    try:
        return link.stat().st_rdev
    except OSError:
        return 0


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()[:64] or "a program"
    except OSError:
        return "a program"
