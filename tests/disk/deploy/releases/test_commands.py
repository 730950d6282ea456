"""The publisher's commands: from built images to what a Pi believes, with keys behind a passphrase."""

import hashlib
import json
import shutil
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.images.build import REPORT
from deploy.images.layer import MEDIA_TYPE
from deploy.images.oci import CONFIG, MANIFEST, Layout
from deploy.releases.__main__ import main
from deploy.releases.keys import SigningError
from deploy.releases.repository import Repository
from device.releases.document import Release
from device.releases.verification import HttpFetcher, TrustedReleases
from tests.rigs.release_server import NOW, Publisher, digest, release, served


def _said(*words: str, status: int = 0) -> str:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == status, result.output
    return result.output


def test_a_release_for_machines_without_containers(tmp_path: Path) -> None:
    """For each platform all its wheels, ours first, served by their content; what no Pi could use is refused."""
    built, keys, folder = tmp_path / "images", tmp_path / "keys", tmp_path / "public"
    wheels = {name: tmp_path / name for name in ("cp313-aarch64", "cp311-armv7l", "cp313")}
    empty = tmp_path / "cp312-x86_64"
    for place in (built, empty, *wheels.values()):
        place.mkdir()
    (built / REPORT).write_text(json.dumps({"version": "0.3.0", "images": {}}))
    ours, other = tmp_path / "wattline-0.3.0-py3-none-any.whl", tmp_path / "wattline-0.2.0-py3-none-any.whl"
    for path in (ours, other, *(place / "dep-1-py3-none-any.whl" for place in wheels.values())):
        path.write_bytes(path.name.encode())
    at = ("--folder", str(folder))
    _said("begin", "--keys", str(keys), *at)
    adding = (
        "add", "--key", str(keys / "release.key"), "--online-key", str(keys / "online.key"), "--images", str(built),
        *at,
    )  # fmt: skip
    both = ("--wheels", str(wheels["cp313-aarch64"]), "--wheels", str(wheels["cp311-armv7l"]))
    assert "without --wheel" in _said(*adding, *both, status=1)
    assert "no wheel of 0.3.0" in _said(*adding, *both, "--wheel", str(other), status=1)
    assert "names no platform" in _said(*adding, "--wheels", str(wheels["cp313"]), "--wheel", str(ours), status=1)
    assert "holds no wheels" in _said(*adding, "--wheels", str(empty), "--wheel", str(ours), status=1)
    _said(*adding, *both, "--wheel", str(ours))
    (file,) = folder.glob("targets/releases/*.0.3.0.json")
    environments = Release.model_validate_json(file.read_bytes()).environments
    assert set(environments) == {"cp313-aarch64", "cp311-armv7l"}
    for files in environments.values():
        assert [one.file for one in files] == [ours.name, "dep-1-py3-none-any.whl"]
        for one in files:
            assert (folder / "files" / one.sha256).read_bytes() == one.file.encode()
            assert one.size == len(one.file)
    assert len(list((folder / "files").iterdir())) == 2


def test_a_publisher_signs_rotates_and_withdraws(tmp_path: Path) -> None:
    """Each command as it is typed; a Pi with the first root follows all of it."""
    built, keys, folder = tmp_path / "images", tmp_path / "keys", tmp_path / "public"
    layout = Layout(built / "agent")
    config, layer = (layout.add(kind, {"kind": kind}) for kind in (CONFIG, MEDIA_TYPE))
    manifest = layout.add(MANIFEST, {"schemaVersion": 2, "config": config, "layers": [layer]})
    one = {"digest": digest("a"), "architectures": {"arm64": {"digest": manifest["digest"]}}}
    (built / REPORT).write_text(json.dumps({"version": "0.3.0", "images": {"agent": one}}))
    wheel = tmp_path / "wattline-0.3.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    (tmp_path / "word").write_text("a long passphrase\n")
    behind = ("--passphrase-file", str(tmp_path / "word"), "--folder", str(folder))
    assert "Pis trust" in _said("begin", "--keys", str(keys), *behind)
    signing = ("--key", str(keys / "release.key"), "--online-key", str(keys / "online.key"), *behind)
    adding = ("add", *signing, "--images", str(built), "--wheel", str(wheel))
    blob = built / "agent/blobs" / layer["digest"].replace(":", "/")
    data = blob.read_bytes()
    blob.unlink()
    assert f"has no {layer['digest']}" in _said(*adding, status=1)
    blob.write_bytes(b"other bytes")
    assert "another content than its name says" in _said(*adding, status=1)
    blob.write_bytes(data)
    _said(*adding)
    assert _said("list", "--folder", str(folder)) == "0.3.0\n"
    with served(folder, tmp_path) as wire:
        root = (folder / "metadata" / "1.root.json").read_bytes()
        pi = TrustedReleases(
            tmp_path / "pi", root, wire.url, HttpFetcher(ssl.create_default_context(cafile=wire.authority))
        )
        release = pi.release("0.3.0")
        assert release.wheel is not None
        assert release.wheel.sha256 == hashlib.sha256(b"a wheel").hexdigest()
        assert release.images["agent"].architectures == {"arm64": manifest["digest"]}
        parts = release.images["agent"].blobs["arm64"]
        assert [f"sha256:{part.sha256}" for part in parts] == [part["digest"] for part in (manifest, config, layer)]
        assert [part.size for part in parts] == [(folder / "files" / part.sha256).stat().st_size for part in parts]
        roots = [f"--root-key={keys}/root-{number}.key" for number in (1, 3)]
        _said("rotate", "targets", "--new", str(keys / "second.key"), *roots, *behind)
        assert "has not the role" in _said("resign", *signing, status=1)
        second = ("--key", str(keys / "second.key"), *signing[2:])
        _said("resign", *second)
        _said("refresh", *signing[2:])
        assert pi.release("0.3.0") == release
        _said("withdraw", "0.3.0", *second)
    assert "no release" in _said("withdraw", "0.3.0", *second, status=1)
    assert "too few" in _said("rotate", "online", "--new", str(keys / "third.key"), roots[0], *behind, status=1)
    wrong = ("--key", str(keys / "second.key"), "--online-key", str(keys / "online.key"), "--folder", str(folder))
    assert "passphrase is another" in _said("resign", *wrong, status=1)


def test_two_who_sign_at_once_use_no_number_twice(tmp_path: Path) -> None:
    """A refresh by the clock while somebody adds releases: each document is signed once, and the last knows all."""
    publisher = Publisher.begun(tmp_path)
    folder, metadata = publisher.folder / "public", publisher.folder / "public" / "metadata"
    seen: dict[str, set[bytes]] = {}

    def add(number: int) -> None:
        publisher.repository.add(release(f"0.{number}.0"), publisher.targets, publisher.online, NOW)

    def refresh(number: int) -> None:
        # another time makes another document
        Repository(folder).refresh(publisher.online, NOW + timedelta(hours=number))
        for file in metadata.glob("[0-9]*.json"):
            seen.setdefault(file.name, set()).add(file.read_bytes())

    with ThreadPoolExecutor(4) as several:
        list(several.map(lambda number: (add, refresh)[number % 2](number), range(2, 42)))
    assert {name: len(contents) for name, contents in seen.items()} == dict.fromkeys(seen, 1)
    newest = max(int(file.name.split(".")[0]) for file in metadata.glob("*.snapshot.json"))
    # one of the beginning
    assert newest == 1 + 40
    assert len(publisher.repository.releases()) == 20


def test_a_version_is_used_once_whatever_is_left_of_it(tmp_path: Path) -> None:
    """The signed list says so, and not only a document that somebody may clear away."""
    publisher = Publisher.begun(tmp_path, "0.2.0", "0.3.0")
    publisher.repository.withdraw("0.3.0", publisher.targets, publisher.online, NOW)
    shutil.rmtree(publisher.folder / "public" / "targets")
    publisher.repository.sign_targets(publisher.targets, publisher.online, NOW)
    for version in ("0.2.0", "0.3.0"):
        with pytest.raises(SigningError, match="signed before, with another content"):
            publisher.repository.add(release(version, "d"), publisher.targets, publisher.online, NOW)
    # the same content may come again
    publisher.repository.add(release("0.3.0"), publisher.targets, publisher.online, NOW)
    with served(publisher.folder / "public", tmp_path) as wire:
        assert wire.pi(publisher, tmp_path / "pi").release("0.3.0") == release("0.3.0")
