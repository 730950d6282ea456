"""A publisher's folder of releases, and a server of it that may be anybody's: what it sends can be changed."""

import contextlib
import http.server
import shutil
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner

from deploy.local.process import free_port
from deploy.registry.files import Place
from deploy.registry.server import certify
from deploy.releases.keys import make_key
from deploy.releases.repository import Repository
from device.releases.document import Release, ReleasedImage
from device.releases.verification import HttpFetcher, TrustedReleases

NOW = datetime.now(UTC)
SPRING = NOW - timedelta(days=200)
"""When a Pi that slept for more than half a year went to sleep."""


def digest(letter: str) -> str:
    """A digest to tell apart."""
    return f"sha256:{letter * 64}"


def release(version: str, letter: str = "a") -> Release:
    """A release of one image."""
    image = ReleasedImage(index=digest(letter), architectures={"arm64": digest("b"), "amd64": digest("c")})
    return Release(version=version, images={"agent": image})


@dataclass
class Publisher:
    """Keys and the folder; `first` is the root that Pis have in their image."""

    folder: Path
    roots: list[CryptoSigner]
    targets: CryptoSigner
    online: CryptoSigner
    first: bytes = b""

    @property
    def repository(self) -> Repository:
        """The signed folder."""
        return Repository(self.folder / "public")

    @classmethod
    def begun(cls, folder: Path, *versions: str, now: datetime = NOW) -> "Publisher":
        """Three root keys of which two must sign, and these releases."""
        keys = [make_key(folder / "keys" / name) for name in ("r1", "r2", "r3", "targets", "online")]
        made = cls(folder, keys[:3], keys[3], keys[4])
        made.first = made.repository.begin(made.roots, 2, made.targets, made.online, now)
        made.add(*versions, now=now)
        return made

    def add(self, *versions: str, now: datetime = NOW) -> None:
        """Sign more releases."""
        for version in versions:
            self.repository.add(release(version), self.targets, self.online, now)

    def key(self, name: str) -> CryptoSigner:
        """A new key."""
        return make_key(self.folder / "keys" / name)

    def saved(self, name: str) -> Path:
        """The folder as it is now, for whoever shows it again later."""
        shutil.copytree(self.folder / "public", self.folder / name)
        return self.folder / name


@dataclass
class Wire:
    """A server of a folder; `folder` may be changed while it runs, and each request is noted."""

    folder: Path
    url: str
    authority: Path
    asked: list[str] = field(default_factory=list)

    def pi(self, publisher: Publisher, data: Path) -> TrustedReleases:
        """A Pi that has this publisher's root."""
        return TrustedReleases(
            data, publisher.first, self.url, HttpFetcher(ssl.create_default_context(cafile=self.authority))
        )


@contextlib.contextmanager
def served(folder: Path, work: Path) -> Iterator[Wire]:
    """Serve a folder over TLS by an authority of its own."""
    place = Place(work / "tls")
    root = certify(place, work / "ca", ["localhost"])
    port = free_port()
    wire = Wire(folder, f"https://localhost:{port}", root)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            wire.asked.append(path)
            return str(wire.folder / path.lstrip("/"))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = http.server.ThreadingHTTPServer(("localhost", port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place.certificate, place.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield wire
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
