"""Where releases come from: publishers' signed documents, and files by their hash, below one address."""

import ssl
from collections.abc import Callable
from pathlib import Path

from broker.errors import PermanentError
from broker.runtime.trust import client_context
from device.releases.document import Release
from device.releases.verification import HttpFetcher, TrustedReleases
from device.updater.fetching import Fetcher
from device.updater.settings import UpdaterSettings


class SignedSources:
    """Asks whatever address it is given, and believes the publishers of one root of trust alone."""

    def __init__(
        self, folder: Path, root: bytes, trust: ssl.SSLContext, moved: Callable[[], None] = lambda: None
    ) -> None:
        self._moved = moved
        self._folder = folder
        self._root = root
        self._trust = trust

    def release(self, source: str, version: str) -> Release:
        """What the publishers signed of a version. Raises UntrustedReleaseError, ReleasesUnreachableError."""
        return TrustedReleases(self._folder, self._root, source, HttpFetcher(self._trust)).release(version)

    def fetcher(self, url: str, folder: Path) -> Fetcher:
        """Who gets files below this address into a folder."""
        return Fetcher(url, folder, self._trust, self._moved)


def signed_sources(settings: UpdaterSettings, moved: Callable[[], None] = lambda: None) -> SignedSources:
    """The sources of these settings; `moved` is called as files come. Raises PermanentError."""
    try:
        root = settings.trust.read_bytes()
    except OSError as error:
        raise PermanentError(
            f"WATTLINE_UPDATER_TRUST: {settings.trust}: {error.strerror}; put the publishers' 1.root.json there"
        ) from error
    trust = client_context(settings.source_ca) if settings.source_ca else ssl.create_default_context()
    return SignedSources(settings.state_folder / "trusted", root, trust, moved)
