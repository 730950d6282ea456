"""What `wattline backup` and `wattline restore` do, from the first check to the last file."""

import io
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, Final

from broker.errors import PermanentError
from deploy.backup.archive import DUMP, ROLES, ArchiveReader, ArchiveWriter, Manifest, verify
from deploy.backup.database import DatabaseAccess
from deploy.backup.faults import ArchiveError
from deploy.backup.places import found_in, occupied, put_back
from deploy.backup.stillness import Say

_TELL_S: Final = 5.0
_SAVE_S: Final = 10.0
_STATE: Final = "mosquitto.db"


class OccupiedError(PermanentError):
    """What stands in the way of a restore; nothing was changed."""


def back_up(
    to: Path, database: DatabaseAccess, places: Mapping[str, Path], passphrase: bytes | None, unit: str, say: Say,
    *, lacks: Mapping[str, str] | None = None, check: bool = False,
) -> Manifest:  # fmt: skip
    """Write a backup of all into a new file of mode 0600; what was there under its name is replaced when it is whole.

    `lacks` are the places that are none of `places`, and why: the manifest says so. With `check` it is read back from
    the disk before it gets its name. Raises PermanentError and OSError.
    """
    facts = database.facts()
    if unit and "broker" in places:
        _save_broker(unit, places["broker"] / _STATE, say)
    entries = list(found_in(places))
    with _whole(to, lambda growing: _check(growing, passphrase, say) if check else None) as file:
        archive = ArchiveWriter(file, passphrase)
        roles = database.roles().encode()
        archive.add(ROLES, io.BytesIO(roles), len(roles))
        progress = _Progress(say, f"database (about {_size(facts.size)} on disk): {{}} written")
        with database.dumped() as dump:
            progress.end(archive.add_parts(DUMP, dump, progress.tell))
        say(f"{sum(found.entry.member is not None for found in entries)} files")
        for found in entries:
            if found.entry.member is not None:
                with found.file.open("rb") as source:
                    archive.add(found.entry.member, source, os.fstat(source.fileno()).st_size)
        return archive.finish(version("wattline"), facts, tuple(found.entry for found in entries), lacks)


def restore(
    source: BinaryIO, database: DatabaseAccess, places: Mapping[str, Path], passphrase: bytes | None, say: Say
) -> Manifest:
    """Put all of a backup where nothing is yet; whatever fails leaves that place as it was.

    Raises PermanentError and OSError.
    """
    source.seek(0, os.SEEK_END)
    size = source.tell()
    progress = _Progress(say, f"checking the backup ({_size(size)}): {{}} read")
    manifest = verify(source, passphrase, progress.tell)
    progress.end(size)
    _see_empty(manifest, database, places)
    database.check_able(manifest.database)
    with ExitStack() as undo:
        _fill(source, manifest, database, places, passphrase, undo, say)
        undo.pop_all()
    return manifest


def _take_away(path: Path) -> None:
    path.unlink(missing_ok=True) if not path.is_dir() else shutil.rmtree(path, ignore_errors=True)


def _see_empty(manifest: Manifest, database: DatabaseAccess, places: Mapping[str, Path]) -> None:
    in_the_way = [str(path) for path in occupied(manifest, places)]
    if database.there():
        in_the_way.append(f"the database {database.name}")
    if in_the_way:
        more = f" and {len(in_the_way) - 5} more" if len(in_the_way) > 5 else ""
        raise OccupiedError(
            f"a backup is restored where nothing is, and there is {', '.join(in_the_way[-5:])}{more}: move these away "
            "or drop them, if you don't need them"
        )


def _fill(
    source: BinaryIO, manifest: Manifest, database: DatabaseAccess, places: Mapping[str, Path],
    passphrase: bytes | None, undo: ExitStack, say: Say,
) -> None:  # fmt: skip
    of_member = {entry.member: entry for entry in manifest.entries if entry.member is not None}
    total = sum(member.size for member in manifest.members if member.name.startswith(DUMP))
    progress = _Progress(say, f"database: {{}} of {_size(total)} restored")
    with ArchiveReader(source, passphrase) as archive:
        members = archive.members()
        name, content = next(members)
        if name != ROLES:
            raise ArchiveError(f"the backup begins with {name[:100]}, not with {ROLES}")
        roles = content.read().decode()
        database.make(manifest.database, roles, undo)
        name, content = next(members)
        with database.restoring() as dump:
            done = 0
            while name.startswith(DUMP):
                done += dump.write(content.read())
                progress.tell(done)
                name, content = next(members)
        progress.end(done)
        say(f"{len(of_member)} files")
        for entry in manifest.entries:
            if entry.member is None and not (places[entry.place] / entry.path).exists():
                undo.callback(_take_away, put_back(entry, None, places))
        while name in of_member:
            undo.callback(_take_away, put_back(of_member[name], content, places))
            name, content = next(members)
    # last, as roles that were there before have had other passwords
    database.give_roles(roles)


def _check(growing: Path, passphrase: bytes | None, say: Say) -> None:
    """Read a file back, and compare all of it with its manifest. Raises ArchiveError."""
    with growing.open("rb") as file:
        # from the disk, and not what is in memory of it
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        size = os.fstat(file.fileno()).st_size
        progress = _Progress(say, f"reading it back ({_size(size)}): {{}} read")
        verify(file, passphrase, progress.tell)
        progress.end(size)


@contextmanager
def _whole(to: Path, check: Callable[[Path], None]) -> Iterator[BinaryIO]:
    """A file that has its name only when it is whole, on the disk and checked."""
    growing = to.with_name(f".{to.name}.growing")
    growing.unlink(missing_ok=True)
    descriptor = os.open(growing, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        check(growing)
        growing.replace(to)
    except BaseException:
        growing.unlink(missing_ok=True)
        raise


def _save_broker(unit: str, state: Path, say: Say) -> None:
    """Have the broker write down its queues and retained messages, which it does else once a minute."""
    before = time.time() - 1
    words = ["systemctl", "kill", "-s", "USR1", unit]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        done = False
    deadline = time.monotonic() + _SAVE_S
    while done and time.monotonic() < deadline:
        if state.exists() and state.stat().st_mtime >= before:
            return
        time.sleep(0.05)
    say(f"note: {unit} did not save its queues just now: the backup has those of the last minute")


class _Progress:
    """Says every few seconds how far it is."""

    def __init__(self, say: Say, form: str) -> None:
        self._say = say
        self._form = form
        self._next = time.monotonic() + _TELL_S

    def tell(self, done: int) -> None:
        if time.monotonic() >= self._next:
            self.end(done)

    def end(self, done: int) -> None:
        self._say(self._form.format(_size(done)))
        self._next = time.monotonic() + _TELL_S


def _size(count: int) -> str:
    """Bytes for people."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
