"""Files that jobs make and read, in the database by parts: whole or not there, bounded each and together."""

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from broker.errors import PermanentError
from store.pool import Pool
from store.sql import Database, statement

PART_BYTES: Final = 1 << 20
MIB: Final = 1 << 20
KEPT: Final = timedelta(days=7)
"""How long a file can be fetched."""


class TooLargeError(PermanentError):
    """A file, or all of them, would be larger than they may be."""


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file; `bytes` so far where it is not complete."""

    id: int
    job_id: int | None
    name: str
    media: str
    bytes: int
    sha256: str | None
    complete: bool
    author: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Grown:
    """How large a file is, and all of them together."""

    bytes: int
    every: int


@statement
async def add_file(database: Database, job_id: int | None, name: str, media: str, author: str, kept: timedelta) -> int:
    """Begin a file; returns its number."""


@statement
async def add_file_part(database: Database, number: int, part: int, data: bytes) -> Grown | None:
    """Append to a file; None where it is gone."""


@statement
async def complete_file(database: Database, number: int, sha256: str) -> None:
    """Say that all of a file is there."""


@statement
async def find_file(database: Database, number: int) -> JobFile | None:
    """A file."""


@statement
async def file_of_job(database: Database, job_id: int) -> JobFile | None:
    """The file that a job has made and that is whole."""


@statement
async def file_part(database: Database, number: int, part: int) -> bytes | None:
    """A part of a file; None behind its end."""


@statement
async def drop_file(database: Database, number: int) -> None:
    """Remove a file."""


@statement
async def drop_unfinished_files(database: Database, job_id: int) -> None:
    """Remove what a job has left unfinished."""


@statement
async def keep_file(database: Database, number: int, job_id: int, kept: timedelta) -> bool | None:
    """Have a file that is whole kept for a job, and for so long at least; None where there is none."""


@statement
async def drop_expired_files(database: Database) -> None:
    """Remove the files whose time has passed."""


class FileWriter:
    """Writes one file part by part; `most_bytes` of it, `most_every_bytes` of all files."""

    def __init__(self, pool: Pool, number: int, most_bytes: int, most_every_bytes: int) -> None:
        self._pool = pool
        self.number = number
        self._most = most_bytes
        self._every = most_every_bytes
        self._waiting = bytearray()
        self._part = 0
        self._hash = hashlib.sha256()
        self.bytes = 0

    async def write(self, data: bytes) -> None:
        """Append; what is no whole part waits. Raises TooLargeError."""
        self._waiting += data
        self._hash.update(data)
        self.bytes += len(data)
        if self.bytes > self._most:
            raise TooLargeError(f"the file would be larger than {self._most // MIB} MiB: choose less")
        while len(self._waiting) >= PART_BYTES:
            await self._store(PART_BYTES)

    async def end(self) -> str:
        """Write what waits; returns the SHA-256 of it all. The caller says that it is complete."""
        if self._waiting:
            await self._store(len(self._waiting))
        return self._hash.hexdigest()

    async def _store(self, size: int) -> None:
        grown = await add_file_part(self._pool, self.number, self._part, bytes(self._waiting[:size]))
        if grown is None:
            raise PermanentError("the file was removed while it was written")
        del self._waiting[:size]
        self._part += 1
        if grown.every > self._every:
            raise TooLargeError(f"all files of jobs would be larger than {self._every // MIB} MiB: fetch or wait")


async def parts(pool: Pool, number: int) -> AsyncGenerator[bytes, None]:
    """The bytes of a file, part by part."""
    part = 0
    while (data := await file_part(pool, number, part)) is not None:
        yield data
        part += 1
