"""`make vendor` with the real npm client and a registry on this machine that may bring other bytes than were pinned."""

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from broker.errors import PermanentError
from deploy.vendor import PINS, integrity, vendor

OLD = b"what stood here before"


def package(name: str, version: str, files: dict[str, bytes]) -> bytes:
    """An archive as npm keeps it."""
    packed = io.BytesIO()
    manifest = json.dumps({"name": name, "version": version}).encode()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path, content in {"package.json": manifest, **files}.items():
            member = tarfile.TarInfo(f"package/{path}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@dataclass
class Shop:
    """A registry with one version of some packages, and a folder of pins that ask for them."""

    url: str
    folder: Path
    archives: dict[str, bytes] = field(default_factory=dict)

    def offer(self, name: str, text: bytes) -> None:
        """Publish (anew) what the package holds."""
        self.archives[name] = package(name, "1.0.0", {"dist/lib.js": text})

    def pin(self, **pinned: str) -> None:
        """Pin these packages, each to an integrity or to none yet."""
        pins = {
            name: {"version": "1.0.0", "licence": "MIT", "integrity": given, "files": {"dist/lib.js": f"{name}.js"}}
            for name, given in pinned.items()
        }
        (self.folder / PINS).write_text(json.dumps(pins))

    def pinned(self) -> dict[str, str]:
        """The integrity of each package, as it is pinned now."""
        pins = json.loads((self.folder / PINS).read_text())
        return {name: pin["integrity"] for name, pin in pins.items()}

    def file(self, name: str) -> Path:
        """Where a package's file is brought to."""
        return self.folder / f"{name}.js"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """The registry that npm asks while the test lasts."""
    folder = tmp_path / "vendor"
    folder.mkdir()

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/").removesuffix(".tgz")
            archive = made.archives.get(name)
            if archive is None:
                self.send_error(404)
                return
            if self.path.endswith(".tgz"):
                body = archive
            else:
                # without an integrity of its own, so that npm takes whatever comes
                one = {"name": name, "version": "1.0.0", "dist": {"tarball": f"{made.url}/{name}.tgz"}}
                body = json.dumps({"name": name, "versions": {"1.0.0": one}, "dist-tags": {"latest": "1.0.0"}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    made = Shop(f"http://127.0.0.1:{server.server_port}", folder)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    wanted = {"registry": made.url, "cache": str(tmp_path / "npm"), "update_notifier": "false", "fetch_retries": "0"}
    for name, value in wanted.items():
        monkeypatch.setenv(f"npm_config_{name}", value)
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_pinned_bytes_are_brought_and_other_bytes_are_refused(shop: Shop, tmp_path: Path) -> None:
    """Bytes as pinned are brought, an empty pin is filled in; others are refused by name, and no file is touched."""
    for name in ("first", "second"):
        shop.offer(name, f"// {name}".encode())
        (tmp_path / name).write_bytes(shop.archives[name])
    good = {name: integrity(tmp_path / name) for name in ("first", "second")}
    shop.pin(first=good["first"], second="")
    assert vendor(shop.folder) == ["first 1.0.0 (MIT)", "second 1.0.0 (MIT)"]
    assert [shop.file(name).read_bytes() for name in good] == [b"// first", b"// second"]
    assert shop.pinned() == good

    shop.offer("second", b"// second, tampered with")
    for name in ("first", "second"):
        shop.file(name).write_bytes(OLD)
    with pytest.raises(PermanentError, match=r"^second@1\.0\.0 is sha512-.+ is pinned$") as refused:
        vendor(shop.folder)
    assert good["second"] in str(refused.value)
    assert [shop.file(name).read_bytes() for name in ("first", "second")] == [OLD, OLD]
    assert shop.pinned() == good


def test_what_is_not_to_be_had_is_named(shop: Shop) -> None:
    """A package that the registry has not, and a file that the package has not."""
    shop.pin(nowhere="")
    with pytest.raises(PermanentError, match=r"npm pack nowhere@1\.0\.0 failed"):
        vendor(shop.folder)
    shop.archives["empty"] = package("empty", "1.0.0", {})
    shop.pin(empty="")
    with pytest.raises(PermanentError, match=r"has no file dist/lib\.js"):
        vendor(shop.folder)
