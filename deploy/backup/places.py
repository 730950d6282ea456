"""The folders of a server that a backup holds beside the database, and their files put back where nothing is."""

import errno
import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from deploy.backup.archive import Entry, Manifest
from deploy.backup.faults import ArchiveError

FILES: Final = "files/"
USUAL: Final[Mapping[str, Path]] = {
    "settings": Path("/etc/wattline"),
    "certificates": Path("/etc/mosquitto/certs"),
    "broker": Path("/var/lib/mosquitto/wattline"),
    "authority": Path("/var/lib/wattline-gateway/ca"),
}
"""Where README's Operate puts them."""
_COPY_BYTES: Final = 1 << 20
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Found:
    """A file or folder as it is now."""

    entry: Entry
    file: Path


def found_in(places: Mapping[str, Path]) -> Iterator[Found]:
    """All files and folders of the places, each place's own folder first; links, sockets and half-written files not.

    Raises ArchiveError for a place that is not there, OSError for one that may not be read.
    """
    for place, folder in places.items():
        if not folder.is_dir():
            raise ArchiveError(f"{folder} is not there: name the folder of the {place} with --{place}")
        yield _found(place, folder, folder)
        for parent, folders, files in os.walk(folder, onerror=_refused):
            folders.sort()
            for name in sorted([*folders, *files]):
                file = Path(parent, name)
                if file.suffix not in (".new", ".growing") and stat.S_IFMT(file.lstat().st_mode) in (
                    stat.S_IFREG, stat.S_IFDIR,
                ):  # fmt: skip
                    yield _found(place, folder, file)


def unreachable(places: Mapping[str, Path]) -> dict[str, str]:
    """The places of which something is not there, or may not be read by this account, and why."""
    lacks = {}
    for place, folder in places.items():
        try:
            for one in found_in({place: folder}):
                if one.entry.member is not None and not os.access(one.file, os.R_OK, effective_ids=True):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(one.file))
        except ArchiveError:
            lacks[place] = f"{folder} is not on this machine"
        except OSError as error:
            lacks[place] = f"{error.filename or folder}: {error.strerror or error}"
    return lacks


def occupied(manifest: Manifest, places: Mapping[str, Path]) -> list[Path]:
    """What stands already where a backup's files belong, and links that would lead them away from there.

    Raises ArchiveError for a place that nobody named.
    """
    found = [_in_the_way(entry, places) for entry in manifest.entries]
    return list(dict.fromkeys(path for path in found if path is not None))


def put_back(entry: Entry, content: BinaryIO | None, places: Mapping[str, Path]) -> Path:
    """Write a file, or make a folder, with its owner and mode; never through a link, and never over a file.

    What belonged to an account that this machine lacks, as those that systemd makes for a service, belongs to whom the
    folder around it does. No backup may give a file the rights of its owner (setuid). Whatever fails leaves nothing of
    it behind. Raises OSError.
    """
    target = _target(entry, places)
    with _opened_parent(entry, places) as parent:
        if content is None:
            os.mkdir(target.name, 0o700, dir_fd=parent)
            with _or_nothing(partial(os.rmdir, target.name, dir_fd=parent)):
                descriptor = os.open(target.name, _FOLDER, dir_fd=parent)
                try:
                    _give(descriptor, entry, os.fstat(parent))
                finally:
                    os.close(descriptor)
        else:
            descriptor = os.open(target.name, _NEW_FILE, 0o600, dir_fd=parent)
            with _or_nothing(partial(os.unlink, target.name, dir_fd=parent)), os.fdopen(descriptor, "wb") as file:
                while data := content.read(_COPY_BYTES):
                    file.write(data)
                file.flush()
                _give(file.fileno(), entry, os.fstat(parent))
                os.fsync(file.fileno())
    return target


def _refused(error: OSError) -> None:
    """What can't be listed is not left out in silence."""
    raise error


def _in_the_way(entry: Entry, places: Mapping[str, Path]) -> Path | None:
    target, place = _target(entry, places), places[entry.place]
    for folder in reversed(target.relative_to(place).parents[:-1]):
        if (place / folder).is_symlink():
            return place / folder
    if entry.member is None:
        free = target == place or not os.path.lexists(target) or (target.is_dir() and not target.is_symlink())
    else:
        free = not os.path.lexists(target)
    return None if free else target


@contextmanager
def _opened_parent(entry: Entry, places: Mapping[str, Path]) -> Iterator[int]:
    """The folder around an entry, reached from its place through folders alone: who lays a link meanwhile is refused.

    The place itself is where the operator says, be it through links.
    """
    target, place = _target(entry, places), places[entry.place]
    if target == place:
        place.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(place.parent if target == place else place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in target.relative_to(place).parts[:-1]:
            deeper = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _or_nothing(remove: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        remove()
        raise


def _give(descriptor: int, entry: Entry, around: os.stat_result) -> None:
    if os.geteuid() == 0:
        os.fchown(descriptor, _uid(entry.owner, around.st_uid), _gid(entry.group, around.st_gid))
    os.fchmod(descriptor, entry.mode & 0o777)


def _target(entry: Entry, places: Mapping[str, Path]) -> Path:
    if entry.place not in places:
        raise ArchiveError(f"the backup has a place that this version does not know: {entry.place[:100]!r}")
    return places[entry.place] / entry.path


def _found(place: str, folder: Path, file: Path) -> Found:
    facts = file.stat()
    path = "." if file == folder else file.relative_to(folder).as_posix()
    member = f"{FILES}{place}/{path}" if stat.S_ISREG(facts.st_mode) else None
    return Found(
        Entry(
            place=place, path=path, owner=_user_name(facts.st_uid), group=_group_name(facts.st_gid),
            mode=stat.S_IMODE(facts.st_mode), member=member,
        ),
        file,
    )  # fmt: skip


def _user_name(uid: int) -> str:
    """The account's name; empty for one that systemd made for a service that does not run."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""


def _uid(name: str, otherwise: int) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return otherwise


def _gid(name: str, otherwise: int) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return otherwise
