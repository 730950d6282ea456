"""The Pi's judgement of releases: fetched from anywhere, believed by signatures alone (TUF specification 1.0, 5)."""

import http.client
import ssl
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    RepositoryError,
)
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from broker.contract.software import ReleaseVersion
from broker.errors import TransientError, WattlineError
from device.releases.document import Release, place_of
from device.releases.pace import open_url

_PIECE: Final = 16_384
_BOUNDS: Final = UpdaterConfig(
    # of each rotation of keys a Pi that slept must be told; a document is a few hundred bytes for each release
    max_root_rotations=64,
    root_max_length=64_000,
    timestamp_max_length=16_000,
    snapshot_max_length=64_000,
    targets_max_length=1_000_000,
)
_DOCUMENT_BYTES: Final = 64_000


class UntrustedReleaseError(WattlineError):
    """A release, or what is said of it, that must not be run; `reason` for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class OutdatedReleasesError(UntrustedReleaseError):
    """The publishers' newest word, as it comes here, is out of date: it will be renewed, or the clock set right."""


class ReleasesUnreachableError(TransientError):
    """What is signed can't be fetched now; what runs stays."""


class HttpFetcher(FetcherInterface):
    """Fetches over HTTP by the standard library; HTTPS with the platform's own authority where one is given.

    What comes is believed by its signatures. TLS hides what a Pi asks for.
    """

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._trust = trust

    def _fetch(self, url: str) -> Iterator[bytes]:
        if not url.startswith(("https://", "http://")):
            raise DownloadError(f"{url} is no address over HTTP")
        try:
            answer = open_url(url, self._trust)
        except urllib.error.HTTPError as error:
            # it holds the connection
            error.close()
            raise DownloadHTTPError(f"{url} answers {error.code}", error.code) from error
        except OSError as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise DownloadError(f"{url}: {reason}") from error
        return _pieces(url, answer)


def _pieces(url: str, answer: http.client.HTTPResponse) -> Iterator[bytes]:
    with answer:
        try:
            while piece := answer.read1(_PIECE):
                yield piece
        except OSError as error:
            raise DownloadError(f"{url}: {error}") from error


class TrustedReleases:
    """The releases that a publisher's root of trust vouches for.

    `folder` keeps what was believed last, so that nobody can lead the Pi back to an older state; `root` is the first
    root's document, which came with the Pi's image. How old all that is does not matter: each later root is signed by
    the one before, and a Pi that slept follows them one by one.
    """

    def __init__(self, folder: Path, root: bytes, url: str, fetcher: FetcherInterface) -> None:
        self._folder, self._root, self._url, self._fetcher = folder, root, url.rstrip("/"), fetcher

    def release(self, version: ReleaseVersion) -> Release:
        """The signed document of a version, asked anew. Blocks; takes seconds.

        Raises UntrustedReleaseError where it is not signed as it must be, is said to be out of date, or is older than
        what was believed before, and ReleasesUnreachableError.
        """
        metadata, documents = self._folder / "metadata", self._folder / "documents"
        try:
            for folder in (metadata, documents):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            updater = Updater(
                str(metadata), f"{self._url}/metadata/", str(documents), f"{self._url}/targets/", self._fetcher,
                _BOUNDS, bootstrap=self._root,
            )  # fmt: skip
            updater.refresh()
            found = updater.get_targetinfo(place_of(version))
            if found is None:
                raise UntrustedReleaseError(f"{version} is no release of its publishers, or was withdrawn")
            if found.length > _DOCUMENT_BYTES:
                raise UntrustedReleaseError(f"the document of {version} has {found.length} bytes")
            path = updater.find_cached_target(found) or updater.download_target(found)
            return _read(Path(path).read_bytes(), version)
        except ExpiredMetadataError as error:
            reason = f"{error}: the publisher's word is out of date, or this Pi's clock is ahead"
            raise OutdatedReleasesError(reason) from error
        except DownloadLengthMismatchError as error:
            raise UntrustedReleaseError(f"{error}: nothing that is signed is as long") from error
        except (DownloadError, http.client.HTTPException) as error:
            raise ReleasesUnreachableError(f"releases at {self._url}: {error}") from error
        except RepositoryError as error:
            raise UntrustedReleaseError(str(error)) from error
        except OSError as error:
            raise ReleasesUnreachableError(f"{self._folder}: {error}") from error


def _read(data: bytes, version: str) -> Release:
    try:
        release = Release.model_validate_json(data)
    except ValidationError as error:
        raise UntrustedReleaseError(f"the document of {version} can't be read: {error.errors()[0]['msg']}") from error
    if release.version != version:
        raise UntrustedReleaseError(f"the document of {version} is that of {release.version}")
    return release
