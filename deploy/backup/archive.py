"""The file of a backup: a tar that any tar reads, whose last member, the manifest, says what must be in it.

The database's dump is in parts, since a tar wants to know sizes before; `cat database/*` puts it together.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from types import TracebackType
from typing import IO, BinaryIO, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from broker.plain_errors import plain_reason
from deploy.backup.faults import ArchiveError
from deploy.backup.sealing import SealedReader, SealedWriter, is_sealed

FORMAT: Final = 1
PART_BYTES: Final = 16 << 20
DUMP: Final = "database/"
ROLES: Final = "roles.sql"
MANIFEST: Final = "manifest.json"
_READ_BYTES: Final = 1 << 20


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Member(_Part):
    """Something in the archive, by its name there."""

    name: str
    size: int = Field(ge=0)
    sha256: str


class Entry(_Part):
    """A file or folder of this machine: where it belongs and whose it is; a folder has no member."""

    place: str
    path: str
    owner: str
    group: str
    mode: int = Field(ge=0, le=0o7777)
    member: str | None


class DatabaseFacts(_Part):
    """What the dump was taken of."""

    name: str
    postgres: str
    timescaledb: str
    size: int = Field(description="On the server's disks, in bytes.")


class Manifest(_Part):
    """What is in the archive."""

    format: int
    made_at: AwareDatetime
    wattline: str
    database: DatabaseFacts
    entries: tuple[Entry, ...]
    members: tuple[Member, ...]
    lacks: dict[str, str] = Field(default_factory=dict, description="Places that are not in it, and why.")


class ArchiveWriter:
    """Writes members one after the other; without `finish` there is no manifest, and so no backup."""

    def __init__(self, to: BinaryIO, passphrase: bytes | None) -> None:
        self._sealed = SealedWriter(to, passphrase) if passphrase else None
        self._tar = tarfile.open(  # noqa: SIM115 - closed by `finish`
            fileobj=self._sealed or to, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_READ_BYTES
        )
        self._members: list[Member] = []

    def add(self, name: str, source: BinaryIO, size: int) -> None:
        """Add so many bytes of a stream. Raises ArchiveError where it ends before."""
        digested = _Digested(source)
        try:
            self._tar.addfile(_header(name, size), digested)
        except OSError as error:
            if digested.size < size and error.errno is None:
                raise ArchiveError(f"{name} became shorter while it was read: try again") from error
            raise
        self._members.append(Member(name=name, size=size, sha256=digested.digest()))

    def add_parts(self, folder: str, source: IO[bytes], told: Callable[[int], None]) -> int:
        """Add a stream of unknown length as numbered parts; returns its length."""
        total = 0
        for number in range(1, 1_000_000):
            part = source.read(PART_BYTES)
            if not part:
                break
            self.add(f"{folder}{number:06}", io.BytesIO(part), len(part))
            total += len(part)
            told(total)
        return total

    def finish(
        self, wattline: str, database: DatabaseFacts, entries: tuple[Entry, ...], lacks: Mapping[str, str] | None = None
    ) -> Manifest:
        """Write the manifest and end the file."""
        manifest = Manifest(
            format=FORMAT, made_at=datetime.now(UTC), wattline=wattline, database=database, entries=entries,
            members=tuple(self._members), lacks=dict(lacks or {}),
        )  # fmt: skip
        # versions before partial ones read all others still
        text = manifest.model_dump_json(indent=1, exclude=None if lacks else {"lacks"}).encode()
        self._tar.addfile(_header(MANIFEST, len(text)), io.BytesIO(text))
        self._tar.close()
        if self._sealed is not None:
            self._sealed.finish()
        return manifest


class ArchiveReader:
    """Reads a backup's members in their order; enter it with `with`."""

    def __init__(self, source: BinaryIO, passphrase: bytes | None) -> None:
        source.seek(0)
        sealed = is_sealed(source)
        if sealed and not passphrase:
            raise ArchiveError("the backup is sealed: name its passphrase's file with --passphrase-file")
        if passphrase and not sealed:
            raise ArchiveError("the backup is not sealed by a passphrase: leave --passphrase-file out if it is yours")
        self._stream = io.BufferedReader(SealedReader(source, passphrase), _READ_BYTES) if passphrase else source

    def __enter__(self) -> Self:
        try:
            self._tar = tarfile.open(fileobj=self._stream, mode="r|", bufsize=_READ_BYTES)
        except tarfile.TarError as error:
            raise ArchiveError(f"the file is no backup of Wattline's ({error})") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.close()

    def members(self) -> Iterator[tuple[str, BinaryIO]]:
        """Each member's name and bytes, to be read before the next is asked for. Raises ArchiveError."""
        try:
            for member in self._tar:
                content = self._tar.extractfile(member) if member.isreg() else None
                if content is None:
                    raise ArchiveError(f"{member.name} in the backup is no plain file")
                yield member.name, content  # type: ignore[misc]
        except (tarfile.TarError, EOFError) as error:
            raise ArchiveError(f"the backup is damaged or cut off ({error})") from error


def verify(source: BinaryIO, passphrase: bytes | None, told: Callable[[int], None]) -> Manifest:
    """Read all of a backup and compare it with its manifest. Raises ArchiveError."""
    try:
        found, text = _contents(source, passphrase, told)
    except tarfile.TarError as error:
        raise ArchiveError(f"the backup is damaged or cut off ({error})") from error
    if text is None:
        raise ArchiveError("the backup has no manifest: it was not finished, or is cut off")
    manifest = _manifest(text)
    wanted = {member.name: member for member in manifest.members}
    for member in found:
        if wanted.pop(member.name, None) != member:
            raise ArchiveError(f"{member.name} in the backup is not what its manifest says: the file is damaged")
    if wanted:
        raise ArchiveError(f"the backup lacks {', '.join(sorted(wanted)[:5])}")
    return manifest


def _contents(
    source: BinaryIO, passphrase: bytes | None, told: Callable[[int], None]
) -> tuple[list[Member], bytes | None]:
    """What is in the file, and its manifest's text."""
    found: list[Member] = []
    text: bytes | None = None
    with ArchiveReader(source, passphrase) as archive:
        for name, content in archive.members():
            if text is not None:
                raise ArchiveError(f"{name} in the backup stands behind its manifest")
            if name == MANIFEST:
                text = content.read()
                continue
            digested = _Digested(content)
            while digested.read(_READ_BYTES):
                told(source.tell())
            found.append(Member(name=name, size=digested.size, sha256=digested.digest()))
    return found, text


def _manifest(text: bytes) -> Manifest:
    try:
        document = json.loads(text)
        if isinstance(document, dict) and document.get("format") != FORMAT:
            raise ArchiveError(f"the backup is of format {document.get('format')}, this version reads {FORMAT}")
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        raise ArchiveError(f"the backup's manifest: {plain_reason(error.errors()[0])}") from error
    except ValueError as error:
        raise ArchiveError(f"the backup's manifest is no JSON ({error})") from error
    for entry in manifest.entries:
        path = PurePosixPath(entry.path)
        if path.is_absolute() or ".." in path.parts:
            raise ArchiveError(f"the backup's manifest leads out of its place: {entry.path[:200]!r}")
    return manifest


class _Digested(io.RawIOBase):
    """A stream that is digested while it is read."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        self.size += len(data)
        return data

    def digest(self) -> str:
        return self._hash.hexdigest()


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size = size
    header.mode = 0o600
    return header
