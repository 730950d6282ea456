"""Backups by `wattline backup`, in a process of its own: read back, counted as good only whole, older ones removed."""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from broker.errors import PermanentError, WattlineError
from ingestor.worker.context import Context, Result, Work
from ingestor.worker.settings import WorkerSettings
from store.kinds.backup import BACKUP, BackupArguments

TELL_S: Final = 1.0
LEAVE_S: Final = 20.0
"""So long a process that is told to end may take, to remove what it has begun."""
LAST_LINES: Final = 5
_OURS: Final = re.compile(r"wattline-\d{8}T\d{6}Z-\d+(?P<partial>\.partial)?\.backup")
_BEGUN: Final = re.compile(r"\.wattline-\d{8}T\d{6}Z-\d+(\.partial)?\.backup\.growing")


class FailedBackupError(WattlineError):
    """What `wattline backup` said last; nothing was made, and what was there stays."""


async def backup(context: Context[BackupArguments]) -> Result:
    """Make one. Raises PermanentError where it lacks what was not left out on purpose: that is no good backup."""
    settings, asked = context.parts.settings, context.arguments
    if settings.backup_folder is None:
        raise PermanentError("this worker makes no backups: set WATTLINE_WORKER_BACKUP_FOLDER")
    folder = settings.backup_folder
    await asyncio.to_thread(_remove, folder, _begun(folder))
    to = folder / f"wattline-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{context.job.id}.backup"
    made = await _made(context, to, [*_words(settings, asked), str(to)])
    removed = beyond((one.name for one in folder.iterdir()), settings.backup_keep, partial=bool(made["lacks"]))
    await asyncio.to_thread(_remove, folder, removed)
    if missing := {place: why for place, why in made["lacks"].items() if place not in asked.without}:
        said = "; ".join(f"{place} ({why})" for place, why in missing.items())
        fix = "let a worker on their machine make it, or leave them out on purpose by `without`"
        raise PermanentError(f"a partial backup alone, {folder / made['file']}, lacks {said}: {fix}")
    return {**made, "whole": not made["lacks"], "folder": str(folder), "removed": removed}


def beyond(names: Iterable[str], keep: int, *, partial: bool) -> list[str]:
    """Backups of jobs beyond the newest so many; partial ones are counted apart, so that they oust no whole one."""
    ours = sorted(name for name in names if (found := _OURS.fullmatch(name)) and bool(found["partial"]) == partial)
    return ours[:-keep]


def _words(settings: WorkerSettings, asked: BackupArguments) -> list[str]:
    words = ["--json", "--partial", "--verify", f"--account={settings.backup_account}"]
    words += [f"--without={place}" for place in dict.fromkeys(asked.without)]
    words += [f"--{place}={path}" for place, path in settings.backup_places.items()]
    if settings.backup_broker_unit is not None:
        words.append(f"--broker-unit={settings.backup_broker_unit}")
    if settings.backup_passphrase_file is not None:
        words.append(f"--passphrase-file={settings.backup_passphrase_file}")
    return words


async def _made(context: Context[BackupArguments], to: Path, words: Sequence[str]) -> dict[str, Any]:
    """Run it, and say how far it is; whatever ends us ends it, and what it has begun is removed."""
    dsn = context.parts.settings.backup_dsn.get_secret_value()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WATTLINE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", "cli", "backup", *words,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**environment, "WATTLINE_STORE_DSN": dsn}, start_new_session=True,
    )  # fmt: skip
    heard = _Heard(process)
    try:
        async with asyncio.TaskGroup() as group:
            told = group.create_task(_tell(context, to, heard), name="backup.tell")
            group.create_task(heard.notes(), name="backup.notes")
            group.create_task(heard.faults(), name="backup.faults")
            await process.wait()
            told.cancel()
    except ExceptionGroup as errors:
        # one that stops the worker, or says that the job is another's by now
        raise errors.exceptions[0] from None
    finally:
        await _end(process)
        await asyncio.to_thread(_remove, to.parent, _begun(to.parent))
    if process.returncode != 0 or heard.result is None:
        said = " / ".join(heard.lines).removeprefix("wattline backup: ")
        raise FailedBackupError(said or f"wattline backup ended with {process.returncode}")
    return heard.result


class _Heard:
    """What the process says: notes and its result by its output, faults by the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.note: str | None = None
        self.result: dict[str, Any] | None = None
        self.lines: deque[str] = deque(maxlen=LAST_LINES)

    async def notes(self) -> None:
        """Until its end."""
        assert self._process.stdout is not None  # noqa: S101 - for mypy
        async for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                self.note = said.get("note", self.note)
                self.result = said.get("result", self.result)

    async def faults(self) -> None:
        """Until its end."""
        assert self._process.stderr is not None  # noqa: S101 - for mypy
        async for line in self._process.stderr:
            if text := line.decode(errors="replace").strip():
                self.lines.append(text)


async def _tell(context: Context[BackupArguments], to: Path, heard: _Heard) -> None:
    while True:
        await asyncio.sleep(TELL_S)
        sizes = [_size(to.parent / name) for name in _begun(to.parent)]
        await context.progress(max(sizes, default=0), None, heard.note)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let it end PostgreSQL's programs, too; then by force."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(LEAVE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _begun(folder: Path) -> list[str]:
    """What a process that was killed has left: nobody else is at it, as one backup is made at a time."""
    return [one.name for one in folder.iterdir() if _BEGUN.fullmatch(one.name)]


def _remove(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


WORK: Final = Work(BACKUP, backup)
