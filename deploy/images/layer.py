"""A layer of an image: a folder as a tar archive whose bytes depend on names, contents and rights alone."""

import hashlib
import stat
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MEDIA_TYPE: Final = "application/vnd.oci.image.layer.v1.tar+zstd"
MODIFIED_AT: Final = 315_532_800
"""1980-01-01, of every file: a layer that holds the same is the same, whichever release it is built for."""
LEVEL: Final = 19
"""What a Pi fetches over a mobile line is worth minutes of the builder's time."""
LIBRARY: Final = f"zstd-{'.'.join(map(str, zstd.zstd_version_info))}"
"""What compresses: another library may make other bytes of the same layer."""
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Owned:
    """Who owns a path in the image, by numbers, and its mode."""

    uid: int
    gid: int
    mode: int


@dataclass(frozen=True, slots=True)
class Layer:
    """A compressed layer on disk: `digest` and `size` as a registry transfers it, `diff_id` of the tar in it."""

    name: str
    file: Path
    digest: str
    size: int
    diff_id: str


class _Digested:
    """A file to write into, which knows the SHA-256 of what went through."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._file.write(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def pack(folder: Path, tar: Path, owners: Mapping[str, Owned] | None = None) -> str:
    """Write the folder's content as a tar archive and return its digest.

    Entries are sorted, belong to root and have modes 0755 or 0644 but for what `owners` says by path. Raises ValueError
    for what is neither a file, a folder nor a symbolic link: an image holds no devices and no sockets.
    """
    with tar.open("wb") as raw:
        out = _Digested(raw)
        # `w|` only writes: it neither seeks nor reads what stands in the file
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as archive:  # type: ignore[call-overload]
            for path in _sorted(folder):
                _add(archive, path, path.relative_to(folder).as_posix(), owners or {})
    return out.digest


def compress(name: str, tar: Path, diff_id: str, target: Path, level: int = LEVEL) -> Layer:
    """Compress a tar archive with Zstandard. The level and a pinned library make the same bytes anywhere."""
    with tar.open("rb") as source, target.open("wb") as raw:
        out = _Digested(raw)
        machine = zstd.ZstdCompressor(level=level)
        while piece := source.read(_PIECE):
            out.write(machine.compress(piece))
        out.write(machine.flush())
    return Layer(name, target, out.digest, target.stat().st_size, diff_id)


def unpack(layer: Path, folder: Path) -> None:
    """Lay a compressed layer over a folder, with its owners where this process may give them."""
    with zstd.open(layer, "rb") as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
        # `tar` refuses names that lead out of the folder; owners and modes are the image's own affair
        archive.extractall(folder, filter="tar")


def digest_of(file: Path) -> str:
    """The digest of a file as OCI writes it."""
    with file.open("rb") as data:
        return f"sha256:{hashlib.file_digest(data, 'sha256').hexdigest()}"


def _sorted(folder: Path) -> Iterator[Path]:
    """Everything below the folder, parents first, in the order of names' bytes."""
    for path in sorted(folder.iterdir(), key=lambda one: one.name.encode()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _sorted(path)


def _add(archive: tarfile.TarFile, path: Path, name: str, owners: Mapping[str, Owned]) -> None:
    found = path.lstat()
    entry = tarfile.TarInfo(name)
    entry.mtime = MODIFIED_AT
    entry.mode = 0o755 if found.st_mode & stat.S_IXUSR else 0o644
    if name in owners:
        entry.uid, entry.gid, entry.mode = owners[name].uid, owners[name].gid, owners[name].mode
    content: Any = None
    if stat.S_ISLNK(found.st_mode):
        entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, str(path.readlink()), 0o777
    elif stat.S_ISDIR(found.st_mode):
        entry.type = tarfile.DIRTYPE
        if name not in owners:
            entry.mode = 0o755
    elif stat.S_ISREG(found.st_mode):
        entry.size = found.st_size
        content = path
    else:
        raise ValueError(f"{name} is neither a file, a folder nor a symbolic link: leave it out of the image")
    if content is None:
        archive.addfile(entry)
    else:
        with path.open("rb") as data:
            archive.addfile(entry, data)
