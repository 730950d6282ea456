"""Layers and layouts: the same content gives the same bytes, and what registries and runtimes demand of the form."""

import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest

from deploy.images.build import Packer, moment
from deploy.images.contents import AGENT, OWNERS
from deploy.images.layer import MEDIA_TYPE, MODIFIED_AT, Layer, Owned, compress, digest_of, pack, unpack
from deploy.images.oci import CONFIG, INDEX, MANIFEST, Layout, config, load, manifest
from tests.rigs.image_folders import lay_folder

_TMP = {"tmp": Owned(0, 0, 0o1777), "usr/a": Owned(10001, 20, 0o600)}


def test_a_layer_is_its_content_alone(tmp_path: Path) -> None:
    """Order of writing, times, and what a umask took of modes leave no trace; another content does."""
    one, two = lay_folder(tmp_path / "one"), lay_folder(tmp_path / "two", ("a", "b"))
    os.utime(two / "usr" / "a", (1, 1))
    (two / "usr" / "b").chmod(0o600)
    digests = [pack(folder, tmp_path / f"{folder.name}.tar", _TMP) for folder in (one, two)]
    assert digests[0] == digests[1] == digest_of(tmp_path / "one.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    packed = [compress("x", tmp_path / f"{name}.tar", digests[0], tmp_path / f"{name}.zst") for name in ("one", "two")]
    assert packed[0].digest == packed[1].digest == digest_of(tmp_path / "two.zst")
    (two / "usr" / "b").write_text("this is another\n")
    assert pack(two, tmp_path / "three.tar", _TMP) != digests[0]


def test_entries_have_fixed_owners_modes_and_times(tmp_path: Path) -> None:
    """Everything is root's and readable, but for what is said by path; links stay what they are."""
    pack(lay_folder(tmp_path / "one"), tmp_path / "one.tar", _TMP)
    with tarfile.open(tmp_path / "one.tar") as archive:
        entries = {entry.name: entry for entry in archive}
    assert list(entries) == ["tmp", "usr", "usr/a", "usr/b", "usr/bin", "usr/bin/python3", "usr/bin/wattline"]
    assert {entry.mtime for entry in entries.values()} == {MODIFIED_AT}
    assert {entry.uname + entry.gname for entry in entries.values()} == {""}
    shown = {name: (entry.uid, entry.gid, oct(entry.mode)) for name, entry in entries.items()}
    assert shown["tmp"] == (0, 0, "0o1777")
    assert shown["usr/a"] == (10001, 20, "0o600")
    assert shown["usr/b"] == (0, 0, "0o644")
    assert shown["usr/bin/wattline"] == (0, 0, "0o755")
    assert entries["usr/bin/python3"].linkname == "/opt/elsewhere/python3"


def test_a_layer_comes_out_as_it_went_in(tmp_path: Path) -> None:
    """Compressed and laid over another folder again."""
    folder = lay_folder(tmp_path / "one")
    layer = compress("x", tmp_path / "t", pack(folder, tmp_path / "t", {}), tmp_path / "z")
    assert layer.size == (tmp_path / "z").stat().st_size < (tmp_path / "t").stat().st_size
    unpack(layer.file, tmp_path / "out")
    assert (tmp_path / "out" / "usr" / "a").read_text() == (folder / "usr" / "a").read_text()
    assert os.access(tmp_path / "out" / "usr" / "bin" / "wattline", os.X_OK)


def test_an_image_holds_no_devices(tmp_path: Path) -> None:
    """What is no file is refused by name."""
    os.mkfifo(tmp_path / "pipe")
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "pipe").rename(folder / "pipe")
    with pytest.raises(ValueError, match="pipe is neither a file"):
        pack(folder, tmp_path / "t", {})


def test_what_was_compressed_is_taken_again(tmp_path: Path) -> None:
    """The same content is compressed once; the report's digest is that of the bytes that are there."""
    said: list[str] = []
    (tmp_path / "work").mkdir()
    packer = Packer(tmp_path / "kept", tmp_path / "work", said.append)
    one = packer.pack("base", lay_folder(tmp_path / "one"))
    again = packer.pack("base", lay_folder(tmp_path / "two", ("a", "b")))
    assert one == again
    assert len(said) == 1
    assert digest_of(one.file) == one.digest


def _layer(folder: Path) -> Layer:
    content = lay_folder(folder / "content")
    return compress("code", folder / "t", pack(content, folder / "t", OWNERS), folder / "z")


def test_a_layout_has_the_form_of_oci(tmp_path: Path) -> None:
    """Each blob lies under the digest of its bytes, and index, manifest and config name one another."""
    layer = _layer(tmp_path)
    layout = Layout(tmp_path / "layout")
    layout.add_layer(layer)
    document = config("arm64", AGENT.runtime, [layer], {"b": "2", "a": "1"}, moment(0))
    described = layout.add(MANIFEST, manifest(layout.add(CONFIG, document), [layer], {}))
    digest = layout.finish("1.2.3", [{**described, "platform": {"architecture": "arm64", "os": "linux"}}], {})

    folder = tmp_path / "layout"
    assert json.loads((folder / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    (top,) = json.loads((folder / "index.json").read_text())["manifests"]
    assert (top["digest"], top["mediaType"]) == (digest, INDEX)
    assert top["annotations"] == {"org.opencontainers.image.ref.name": "1.2.3"}
    for blob in (folder / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    found = load(folder, "arm64")
    assert found.config == document
    assert (found.transferred, found.layers[0]["mediaType"]) == (layer.size, MEDIA_TYPE)
    assert digest_of(found.layer_file(found.layers[0])) == layer.digest
    with pytest.raises(ValueError, match="no image for amd64"):
        load(folder, "amd64")


def test_a_container_starts_as_nobody_of_note(tmp_path: Path) -> None:
    """By number, not root, with one folder of its own to write into, and SIGTERM to end it."""
    document = config("amd64", AGENT.runtime, [_layer(tmp_path)], {}, moment(1_700_000_000))
    assert document["created"] == "2023-11-14T22:13:20Z"
    started = document["config"]
    assert started["User"] == "10001:10001"
    assert (started["Entrypoint"], started["Cmd"]) == (["wattline"], ["device"])
    assert list(started["Volumes"]) == ["/var/lib/wattline"]
    assert OWNERS["var/lib/wattline"] == Owned(10001, 10001, 0o700)
    assert started["StopSignal"] == "SIGTERM"
