"""A backup's file: what is put into it comes out, and whatever was changed, cut off or made up is refused."""

import errno
import io
import json
import os
import stat
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from deploy.backup.archive import (
    DUMP,
    MANIFEST,
    PART_BYTES,
    ArchiveReader,
    ArchiveWriter,
    DatabaseFacts,
    Entry,
    verify,
)
from deploy.backup.faults import ArchiveError
from deploy.backup.places import occupied, put_back, unreachable
from deploy.backup.sealing import MAGIC

FACTS = DatabaseFacts(name="wattline", postgres="170012", timescaledb="2.19.3", size=1)
ENTRY = Entry(place="settings", path="a.env", owner="root", group="root", mode=0o600, member="files/settings/a.env")
DUMPED = bytes(range(256)) * (PART_BYTES // 256) + b"the rest"
WORD = b"a passphrase"
HEAD = len(MAGIC) + 16
SEALED = (1 << 20) + 16
"""Bytes of a part, with its tag."""


def _unheard(_: int) -> None:
    """Nobody wants to know how far it is."""


def _written(passphrase: bytes | None = None) -> bytes:
    to = io.BytesIO()
    archive = ArchiveWriter(to, passphrase)
    assert archive.add_parts(DUMP, io.BytesIO(DUMPED), _unheard) == len(DUMPED)
    archive.add(str(ENTRY.member), io.BytesIO(b"SECRET=1\n"), 9)
    archive.finish("0.2.0", FACTS, (ENTRY,))
    return to.getvalue()


def _read(content: bytes, passphrase: bytes | None = None) -> dict[str, bytes]:
    with ArchiveReader(io.BytesIO(content), passphrase) as archive:
        return {name: member.read() for name, member in archive.members()}


@pytest.mark.parametrize("passphrase", [None, WORD])
def test_what_goes_in_comes_out(passphrase: bytes | None) -> None:
    """By parts, with a manifest; sealed, none of it can be read in the file."""
    content = _written(passphrase)
    manifest = verify(io.BytesIO(content), passphrase, _unheard)
    assert (manifest.database, manifest.entries) == (FACTS, (ENTRY,))
    assert [member.name for member in manifest.members] == [f"{DUMP}000001", f"{DUMP}000002", ENTRY.member]
    members = _read(content, passphrase)
    assert members[f"{DUMP}000001"] + members[f"{DUMP}000002"] == DUMPED
    assert members[str(ENTRY.member)] == b"SECRET=1\n"
    assert (b"SECRET" in content) is (passphrase is None)


def test_a_plain_one_is_a_tar_for_everybody() -> None:
    """Whoever has lost Wattline reads it all the same."""
    with tarfile.open(fileobj=io.BytesIO(_written())) as tar:
        assert tar.getnames()[-1] == MANIFEST


def test_another_passphrase_opens_nothing() -> None:
    """Nor does none, and a file that is not sealed is not taken for one that is."""
    sealed = _written(WORD)
    for passphrase, reason in ((b"guessed", "passphrase is another one"), (None, "--passphrase-file")):
        with pytest.raises(ArchiveError, match=reason):
            verify(io.BytesIO(sealed), passphrase, _unheard)
    with pytest.raises(ArchiveError, match="not sealed"):
        verify(io.BytesIO(_written()), WORD, _unheard)


@pytest.mark.parametrize(
    "harm",
    [
        lambda found: found[: len(found) // 2],
        lambda found: found[:-1],
        lambda found: found[: len(MAGIC) + 16],
        lambda found: found + b"\0",
        lambda found: found[:-40] + bytes([found[-40] ^ 1]) + found[-39:],
        # two parts in each other's place
        lambda found: _swapped(found),  # noqa: PLW0108 - defined below
    ],
)
def test_a_sealed_one_that_was_harmed_is_refused(harm: Callable[[bytes], bytes]) -> None:
    """Cut off anywhere, longer, changed, or its parts in another order."""
    with pytest.raises(ArchiveError, match=r"damaged|cut off|another one"):
        verify(io.BytesIO(harm(_written(WORD))), WORD, _unheard)


def _swapped(found: bytes) -> bytes:
    first, second = HEAD + SEALED, HEAD + 2 * SEALED
    return found[:HEAD] + found[first:second] + found[HEAD:first] + found[second:]


def _with_manifest(**changes: object) -> bytes:
    """The archive with another manifest."""
    members = _read(_written())
    manifest = json.loads(members.pop(MANIFEST)) | changes
    to = io.BytesIO()
    with tarfile.open(fileobj=to, mode="w") as tar:
        for name, content in [*members.items(), (MANIFEST, json.dumps(manifest).encode())]:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return to.getvalue()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": 2}, "of format 2"),
        ({"members": []}, "is not what its manifest says"),
        ({"entries": [ENTRY.model_dump() | {"path": "../../root/.ssh/authorized_keys"}]}, "leads out of its place"),
        ({"entries": [ENTRY.model_dump() | {"path": "/etc/shadow"}]}, "leads out of its place"),
        ({"entries": [ENTRY.model_dump() | {"mode": -1}]}, "manifest"),
    ],
)
def test_a_manifest_that_lies_is_refused(changes: dict[str, object], reason: str) -> None:
    """Of another format, of other members, or with files that belong elsewhere."""
    with pytest.raises(ArchiveError, match=reason):
        verify(io.BytesIO(_with_manifest(**changes)), None, _unheard)


def test_a_plain_one_that_was_harmed_is_refused() -> None:
    """A byte of the dump, its last blocks, or what stands behind: nothing of it is restored."""
    whole = _written()
    at = whole.index(b"the rest")
    for harmed, reason in (
        (whole[:at] + b"T" + whole[at + 1 :], "is not what its manifest says"),
        (whole[: whole.index(MANIFEST.encode())], "no manifest"),
        (whole[: at + 4], "damaged or cut off"),
        (b"", "no backup"),
    ):
        with pytest.raises(ArchiveError, match=reason):
            verify(io.BytesIO(harmed), None, _unheard)


def test_a_file_is_put_back_over_nothing_and_through_no_link(tmp_path: Path) -> None:
    """Somebody who may write in the folder leads no secret elsewhere."""
    places = {"settings": tmp_path / "etc"}
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/a.env").symlink_to(tmp_path / "stolen")
    with pytest.raises(FileExistsError):
        put_back(ENTRY, io.BytesIO(b"SECRET=1\n"), places)
    assert not (tmp_path / "stolen").exists()
    (tmp_path / "etc/a.env").unlink()
    written = put_back(ENTRY, io.BytesIO(b"SECRET=1\n"), places)
    assert (written.read_bytes(), written.stat().st_mode & 0o777) == (b"SECRET=1\n", 0o600)


@dataclass
class _FullDisk:
    """Half of a file, then no more."""

    halves: list[bytes]

    def read(self, _: int) -> bytes:
        if not self.halves:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.halves.pop()


def test_what_fails_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    """Half a key is no key, and would stand in the way of the next restore."""
    places = {"settings": tmp_path}
    with pytest.raises(OSError, match="No space left"):
        put_back(ENTRY, cast("BinaryIO", _FullDisk([b"SECRET="])), places)
    assert list(tmp_path.iterdir()) == []
    assert put_back(ENTRY, io.BytesIO(b"SECRET=1\n"), places).read_bytes() == b"SECRET=1\n"


def test_links_in_folders_around_lead_nowhere(tmp_path: Path) -> None:
    """Neither a link that stands before the restore nor one that is laid meanwhile; the check names it."""
    place, victim = tmp_path / "place", tmp_path / "victim"
    (place / "real").mkdir(parents=True)
    (victim / "deep").mkdir(parents=True)
    (place / "sub").symlink_to(victim)
    places = {"settings": place}
    entries = [
        ENTRY.model_copy(update={"path": "sub/x"}),
        ENTRY.model_copy(update={"path": "sub/deep/x"}),
        ENTRY.model_copy(update={"path": "sub/made", "member": None}),
        ENTRY.model_copy(update={"path": "sub", "member": None}),
        ENTRY.model_copy(update={"path": "real", "member": None}),
        ENTRY.model_copy(update={"path": "real/x"}),
    ]
    manifest = verify(io.BytesIO(_written()), None, _unheard)
    for entry in entries[:4]:
        assert occupied(manifest.model_copy(update={"entries": (entry,)}), places) == [place / "sub"]
        with pytest.raises(OSError, match=r"Not a directory|File exists|symbolic links"):
            put_back(entry, None if entry.member is None else io.BytesIO(b"data"), places)
    assert [path.name for path in victim.rglob("*")] == ["deep"]
    assert occupied(manifest.model_copy(update={"entries": tuple(entries[4:])}), places) == []
    assert put_back(entries[5], io.BytesIO(b"data"), places).read_bytes() == b"data"


def test_no_backup_gives_rights_by_mode(tmp_path: Path) -> None:
    """A file that runs as root for whoever starts it comes back as a plain one; folders likewise."""
    places = {"settings": tmp_path}
    file = put_back(ENTRY.model_copy(update={"mode": 0o6755}), io.BytesIO(b"#!/bin/sh\n"), places)
    folder = put_back(ENTRY.model_copy(update={"path": "sub", "mode": 0o7750, "member": None}), None, places)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, folder)] == [0o755, 0o750]


def test_a_partial_backup_says_what_it_lacks() -> None:
    """And a whole one is as it ever was, for versions that know no partial ones."""
    to = io.BytesIO()
    archive = ArchiveWriter(to, None)
    archive.finish("0.3.0", FACTS, (), {"authority": "/ca is not on this machine"})
    assert verify(to, None, _unheard).lacks == {"authority": "/ca is not on this machine"}
    assert b"lacks" not in _read(_written())[MANIFEST]


def test_a_place_that_may_not_be_read_is_told_and_not_left_out_in_silence(tmp_path: Path) -> None:
    """As an account that is not root's meets it."""
    hidden = tmp_path / "settings" / "hidden"
    hidden.mkdir(parents=True)
    (hidden / "a.env").write_text("SECRET=1")
    shut = tmp_path / "settings" / "b.env"
    shut.write_text("SECRET=2")
    places = {"settings": tmp_path / "settings", "broker": tmp_path / "broker"}
    assert _unreachable(tmp_path, places) == {"broker": f"{tmp_path}/broker is not on this machine"}
    for one in (shut, hidden):
        one.chmod(0)
        assert _unreachable(tmp_path, places)["settings"] == f"{one}: Permission denied"
        one.chmod(0o755)


def _unreachable(folder: Path, places: dict[str, Path]) -> dict[str, str]:
    """What another account than root's meets."""
    if os.geteuid() != 0:
        return unreachable(places)
    for above in (folder, *folder.parents[:3]):
        above.chmod(stat.S_IMODE(above.stat().st_mode) | 0o055)
    os.seteuid(65534)
    try:
        return unreachable(places)
    finally:
        os.seteuid(0)
