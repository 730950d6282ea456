"""Gets files by their SHA-256 over HTTP, on where an earlier attempt broke off; nothing else is ever taken for one."""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from ssl import SSLContext
from typing import BinaryIO, Final

from broker.errors import TransientError
from device.releases.pace import open_url

PIECE: Final = 64 * 1024
PARTIAL: Final = ".part"


class Fetcher:
    """Gets files below one address into one folder; `octets` counts what came over the line.

    `moved` is called with each piece that comes.
    """

    def __init__(
        self, url: str, folder: Path, context: SSLContext | None, moved: Callable[[], None] = lambda: None
    ) -> None:
        self._moved = moved
        self._url = url.rstrip("/")
        self._folder = folder
        self._context = context
        self.octets = 0

    def lacks(self, digest: str, size: int) -> int:
        """How many octets of a file are still to come."""
        path = self._folder / digest
        partial = path.with_name(digest + PARTIAL)
        had = next((one.stat().st_size for one in (path, partial) if one.exists()), 0)
        return max(0, size - had)

    def get(self, digest: str, size: int) -> Path:
        """A file of this content, from the folder or over the line.

        Raises TransientError where it can't be had now, also where something else came in its place: what it must be is
        signed, and what is between may heal.
        """
        path = self._folder / digest
        if path.exists():
            if _digest(path) == digest:
                return path
            path.unlink()
        partial = path.with_name(digest + PARTIAL)
        self._fetch(digest, partial, size)
        if _digest(partial) != digest:
            partial.unlink()
            raise TransientError(f"{self._url}/{digest} has another content")
        partial.replace(path)
        return path

    def _fetch(self, digest: str, partial: Path, size: int) -> None:
        had = partial.stat().st_size if partial.exists() else 0
        if had == size:
            return
        if had > size:
            partial.unlink()
            had = 0
        request = urllib.request.Request(f"{self._url}/{digest}")  # noqa: S310 - the contract lets pass http and https
        if had:
            request.add_header("Range", f"bytes={had}-")
        try:
            with (
                open_url(request, self._context) as answer,
                # a server that knows no ranges begins anew
                partial.open("ab" if answer.status == http.HTTPStatus.PARTIAL_CONTENT else "wb") as file,
            ):
                self._copy(answer, file, size)
        except urllib.error.HTTPError as error:
            # it holds the connection
            error.close()
            raise TransientError(f"{self._url}/{digest}: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise TransientError(f"{self._url}/{digest}: {reason or type(error).__name__}") from error
        if partial.stat().st_size < size:
            raise TransientError(f"{self._url}/{digest} ended after {partial.stat().st_size} of {size} bytes")

    def _copy(self, answer: http.client.HTTPResponse, file: BinaryIO, size: int) -> None:
        """Copy what comes, and no octet more than the file may have: an endless answer must not fill the disk."""
        while (left := size - file.tell()) >= 0 and (piece := answer.read1(min(PIECE, left + 1))):
            self.octets += len(piece)
            self._moved()
            file.write(piece)
        if left < 0:
            file.truncate(0)
            raise TransientError(f"{self._url} gives more than the {size} bytes of the file")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
