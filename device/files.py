"""Small files that are either the old or the new version after a power cut, never half of one."""

import contextlib
import os
from collections.abc import Collection
from pathlib import Path


def write_atomically(path: Path, data: bytes, *, durable: bool = True, mode: int = 0o666) -> None:
    """Replace a file by way of a neighbour and rename; `durable` also waits for the disk. Raises OSError.

    `mode` is what the umask takes from; it never was wider.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    neighbour = path.with_name(path.name + ".new")
    try:
        neighbour.unlink(missing_ok=True)
        descriptor = os.open(neighbour, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        neighbour.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            neighbour.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def close_to_others(folder: Path, names: Collection[str]) -> None:
    """Take the rights of other accounts to what stands in a folder under names that begin so; others' files stay."""
    for path in folder.iterdir():
        if path.name.startswith(tuple(names)) and not path.is_symlink():
            # what another account owns stays as that account wants it
            with contextlib.suppress(PermissionError):
                path.chmod(path.stat().st_mode & 0o700)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, not only the contents of its files."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
