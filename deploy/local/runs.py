"""The folders of runs: made, registered, and cleared away after a run that could not clear up after itself."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from broker.errors import PermanentError
from deploy.local.locks import file_lock, take_lock, try_lock
from deploy.local.process import kill_servers_in
from deploy.local.settings import open_to_all, server_account

_PARTS = (
    "postgres",
    "postgres.log",
    "mosquitto",
    "mosquitto.log",
    "tablespaces",
    "mosquitto-tls",
    "mosquitto-services",
)
"""What a run makes in its folder. Nothing else there is ever removed."""


@contextmanager
def run_folder(runs: Path, folder: Path | None, *, keep: bool) -> Iterator[Path]:
    """A folder for one run, cleared at the end unless `keep`; leftovers of dead runs are cleared first.

    A run holds the lock of its registration file as long as it lives, so a dead one is known by its lock being
    free. A folder that the caller names is emptied of what the run made; others are removed.
    """
    _prepare(runs)
    with file_lock(runs / "registry.lock"):
        clear_dead(runs)
        chosen = folder if folder is not None else Path(tempfile.mkdtemp(prefix="run-", dir=runs))
        chosen = chosen.absolute()
        chosen.mkdir(parents=True, exist_ok=True)
        _open(chosen)
        registration = _register(runs, chosen, keep=keep)
        descriptor = take_lock(registration)
    try:
        yield chosen
    finally:
        kill_servers_in(chosen)
        if not keep:
            _clear(chosen, whole=folder is None)
        registration.unlink(missing_ok=True)
        os.close(descriptor)


def clear_dead(runs: Path) -> list[Path]:
    """End the servers of dead runs and remove their folders; returns those folders. Hold the registry's lock."""
    cleared = []
    for registration in sorted(runs.glob("*.run")):
        descriptor = try_lock(registration)
        if descriptor is None:
            continue
        try:
            entry = json.loads(registration.read_text() or "{}")
            if entry:
                dead = Path(entry["folder"])
                kill_servers_in(dead)
                if not entry["keep"]:
                    _clear(dead, whole=dead.parent == runs)
                cleared.append(dead)
            registration.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
    return cleared


def _prepare(runs: Path) -> None:
    runs.mkdir(parents=True, exist_ok=True, mode=0o711)
    # The name can be foreseen and /tmp is everybody's: never work in a folder that another account made.
    if runs.is_symlink() or runs.stat().st_uid != os.geteuid():
        raise PermanentError(f"{runs} belongs to another account: remove it or set WATTLINE_LOCAL_RUNS")


def _open(folder: Path) -> None:
    """See to it that the servers' account can pass."""
    folder.chmod(folder.stat().st_mode | 0o011)
    if server_account() is not None and not open_to_all(folder):
        raise PermanentError(
            f"the servers' own account cannot enter {folder}: choose one that is open to all (chmod +x)"
        )


def _register(runs: Path, folder: Path, *, keep: bool) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="", suffix=".run", dir=runs)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"folder": str(folder), "keep": keep, "pid": os.getpid()}, file)
    return Path(name)


def _clear(folder: Path, *, whole: bool) -> None:
    if whole:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for part in _PARTS:
        path = folder / part
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
