"""What a Pi believes of releases: everything that somebody between publisher and Pi could try is tried on it."""

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.releases.keys import SigningError
from deploy.releases.repository import LIVES, Repository, Role
from device.releases.document import Release
from device.releases.verification import ReleasesUnreachableError, TrustedReleases, UntrustedReleaseError
from tests.rigs.release_server import NOW, SPRING, Publisher, Wire, digest, release, served


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    """Who has signed 0.2.0."""
    return Publisher.begun(tmp_path / "publisher", "0.2.0")


@pytest.fixture
def wire(publisher: Publisher, tmp_path: Path) -> Iterator[Wire]:
    """The publisher's folder, served."""
    with served(publisher.folder / "public", tmp_path) as running:
        yield running


@pytest.fixture
def pi(publisher: Publisher, wire: Wire, tmp_path: Path) -> TrustedReleases:
    """A Pi that knows the publisher."""
    return wire.pi(publisher, tmp_path / "pi")


def _refused(pi: TrustedReleases, version: str, match: str) -> None:
    with pytest.raises(UntrustedReleaseError, match=match):
        pi.release(version)


def _edit(file: Path, change: str, to: str) -> None:
    text = file.read_text()
    assert change in text
    file.write_text(text.replace(change, to))


def test_a_signed_release_is_believed(pi: TrustedReleases, publisher: Publisher) -> None:
    """Digests for each architecture; the next one too, and what was read before is read again from the disk."""
    assert pi.release("0.2.0") == release("0.2.0")
    assert pi.release("0.2.0").images["agent"].architectures["arm64"] == digest("b")
    publisher.add("0.3.0")
    assert pi.release("0.3.0").version == "0.3.0"
    assert pi.release("0.2.0").version == "0.2.0", "a way back stays"


def test_what_is_no_release_or_was_withdrawn_is_refused(pi: TrustedReleases, publisher: Publisher) -> None:
    """Also where the Pi had it already."""
    _refused(pi, "0.9.0", "no release of its publishers")
    pi.release("0.2.0")
    publisher.repository.withdraw("0.2.0", publisher.targets, publisher.online, NOW)
    _refused(pi, "0.2.0", "withdrawn")
    # nor does its version come again for anything else: a Pi may run it
    with pytest.raises(SigningError, match="signed before"):
        publisher.repository.add(Release(version="0.2.0"), publisher.targets, publisher.online, NOW)


def test_a_changed_document_is_refused(pi: TrustedReleases, wire: Wire) -> None:
    """Another digest in the release itself: its hash is what was signed."""
    (file,) = wire.folder.glob("targets/releases/*.0.2.0.json")
    _edit(file, "b" * 64, "d" * 64)
    _refused(pi, "0.2.0", "hash")


@pytest.mark.parametrize("name", ["timestamp.json", "3.snapshot.json", "2.targets.json", "2.root.json"])
def test_changed_metadata_is_refused(publisher: Publisher, wire: Wire, pi: TrustedReleases, name: str) -> None:
    """Whichever of the four documents: a date put off is not what was signed."""
    publisher.repository.rotate(Role.ONLINE, [publisher.online], publisher.roots, NOW)
    publisher.repository.refresh(publisher.online, NOW)
    file = wire.folder / "metadata" / name
    document = json.loads(file.read_text())
    document["signed"]["expires"] = "2099-01-01T00:00:00Z"
    file.write_text(json.dumps(document))
    _refused(pi, "0.2.0", "signed by|hash|signature")


def test_another_s_signature_is_refused(tmp_path: Path, wire: Wire, pi: TrustedReleases) -> None:
    """A folder that is right in itself, of somebody else's keys."""
    other = Publisher.begun(tmp_path / "other", "0.2.0")
    wire.folder = other.folder / "public"
    _refused(pi, "0.2.0", "signed by")


def test_one_stolen_key_signs_nothing_for_another(publisher: Publisher) -> None:
    """The key that is online can't publish, the releases' key can't say that it is news; our own tool says so."""
    with pytest.raises(SigningError, match="has not the role"):
        publisher.repository.add(release("6.6.6"), publisher.online, publisher.online, NOW)
    with pytest.raises(SigningError, match="has not the role"):
        publisher.repository.refresh(publisher.targets, NOW)


def test_a_release_by_the_online_key_is_refused(publisher: Publisher, wire: Wire, pi: TrustedReleases) -> None:
    """... and where a thief's own tool does sign it, the Pi refuses."""
    thief = Publisher(publisher.folder, publisher.roots, publisher.online, publisher.online, publisher.first)
    publisher.repository.rotate(Role.TARGETS, [publisher.online], publisher.roots, NOW)
    thief.add("6.6.6")
    (wire.folder / "metadata" / "2.root.json").unlink()  # the rotation that the publishers never made
    _refused(pi, "6.6.6", "signed by")


def test_rollback_is_refused(publisher: Publisher, wire: Wire, pi: TrustedReleases) -> None:
    """The publisher's own folder of yesterday, signed and not yet out of date: a Pi that knows more goes not back."""
    yesterday = publisher.saved("yesterday")
    publisher.add("0.3.0")
    pi.release("0.3.0")
    wire.folder = yesterday
    _refused(pi, "0.2.0", "version")


def test_a_rollback_of_the_releases_alone_is_refused(publisher: Publisher, wire: Wire, pi: TrustedReleases) -> None:
    """Who has the online key can't show the list of yesterday under a new timestamp."""
    publisher.add("0.3.0")
    pi.release("0.3.0")
    publisher.repository.withdraw("0.3.0", publisher.targets, publisher.online, NOW)
    pi.release("0.2.0")
    (wire.folder / "metadata" / "4.targets.json").unlink()
    (wire.folder / "metadata" / "targets.json").unlink(missing_ok=True)
    publisher.repository.refresh(publisher.online, NOW)
    _refused(pi, "0.2.0", "version")


def test_freezing_is_noticed(tmp_path: Path) -> None:
    """Who shows the same word for ever is refused once it is out of date, with what it may be."""
    past = NOW - LIVES["timestamp"] - timedelta(days=1)
    frozen = Publisher.begun(tmp_path / "publisher", "0.2.0", now=past)
    with served(frozen.folder / "public", tmp_path) as wire:
        pi = wire.pi(frozen, tmp_path / "pi")
        _refused(pi, "0.2.0", r"out of date, or this Pi's clock is ahead")
        frozen.repository.refresh(frozen.online, NOW)
        assert pi.release("0.2.0").version == "0.2.0"


def test_mixed_documents_are_refused(publisher: Publisher, wire: Wire, pi: TrustedReleases) -> None:
    """Each is signed, but they are not of one moment: the older list under the newer snapshot's name."""
    publisher.add("0.3.0")
    metadata = wire.folder / "metadata"
    shutil.copy(metadata / "2.targets.json", metadata / "3.targets.json")
    _refused(pi, "0.3.0", "Expected targets v3, got v2")


def test_keys_are_rotated_and_the_old_ones_end(publisher: Publisher, wire: Wire, pi: TrustedReleases) -> None:
    """A Pi follows to the new keys by itself; what the old ones sign afterwards is refused."""
    pi.release("0.2.0")
    lost = publisher.targets
    publisher.targets = publisher.key("targets-2")
    publisher.repository.rotate(Role.TARGETS, [publisher.targets], publisher.roots[:2], NOW)
    publisher.repository.sign_targets(publisher.targets, publisher.online, NOW)
    publisher.add("0.3.0")
    assert pi.release("0.3.0").version == "0.3.0"
    with pytest.raises(SigningError, match="has not the role"):
        publisher.repository.add(release("6.6.6"), lost, publisher.online, NOW)


def test_a_root_needs_its_threshold(publisher: Publisher, wire: Wire, pi: TrustedReleases) -> None:
    """One of two root keys makes no root: not by our tool, and not for a Pi that is shown one."""
    evil = publisher.key("evil")
    with pytest.raises(SigningError, match="too few"):
        publisher.repository.rotate(Role.TARGETS, [evil], publisher.roots[:1], NOW)
    publisher.repository.rotate(Role.TARGETS, [evil], publisher.roots, NOW)
    file = wire.folder / "metadata" / "2.root.json"
    document = json.loads(file.read_text())
    document["signatures"] = document["signatures"][:1]
    file.write_text(json.dumps(document))
    _refused(pi, "0.2.0", "signed by")


def test_a_pi_that_slept_half_a_year_follows(tmp_path: Path) -> None:
    """All that it believed is out of date, all keys have changed, each by those before: it asks, and is up to date."""
    publisher = Publisher.begun(tmp_path / "publisher", "0.2.0", now=SPRING)
    data = tmp_path / "pi"
    asleep = data / "metadata"
    asleep.mkdir(parents=True)
    metadata = publisher.folder / "public" / "metadata"
    for name, file in {
        "timestamp": "timestamp.json",
        "snapshot": "2.snapshot.json",
        "targets": "2.targets.json",
    }.items():
        shutil.copy(metadata / file, asleep / f"{name}.json")

    for round_, days in enumerate((60, 120, 180), 2):
        now = SPRING + timedelta(days=days)
        roots = [publisher.key(f"r{round_}{letter}") for letter in "abc"]
        publisher.repository.rotate(Role.ROOT, roots, publisher.roots, now)
        publisher.roots = roots
        publisher.targets, publisher.online = publisher.key(f"t{round_}"), publisher.key(f"o{round_}")
        publisher.repository.rotate(Role.TARGETS, [publisher.targets], roots, now)
        publisher.repository.rotate(Role.ONLINE, [publisher.online], roots, now)
        publisher.repository.sign_targets(publisher.targets, publisher.online, now)
    publisher.add("0.5.0")
    with served(publisher.folder / "public", tmp_path) as wire:
        pi = wire.pi(publisher, data)
        assert pi.release("0.5.0").version == "0.5.0"
        assert sum("root.json" in path for path in wire.asked) == 10, "nine roots that followed, and none after them"
        wire.asked.clear()
        assert pi.release("0.5.0").version == "0.5.0"
        assert sum("root.json" in path for path in wire.asked) == 1, "what was followed is kept"


def test_endless_answers_are_cut_off(wire: Wire, pi: TrustedReleases) -> None:
    """Nobody fills a Pi's disk."""
    with (wire.folder / "metadata" / "timestamp.json").open("ab") as file:
        file.truncate(50_000_000)
    _refused(pi, "0.2.0", "nothing that is signed is as long")


def test_damage_on_the_pi_heals(publisher: Publisher, wire: Wire, pi: TrustedReleases, tmp_path: Path) -> None:
    """Files that a power cut left empty or torn are fetched anew."""
    pi.release("0.2.0")
    files = [path for path in (tmp_path / "pi").rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) >= 5
    for number, file in enumerate(files):
        file.write_bytes(b"" if number % 2 else file.read_bytes()[: file.stat().st_size // 2])
    assert pi.release("0.2.0") == release("0.2.0")


def test_a_server_that_is_away_or_not_ours_is_no_verdict(publisher: Publisher, wire: Wire, tmp_path: Path) -> None:
    """What runs stays; another authority's certificate is no server of ours."""
    with served(wire.folder, tmp_path / "other") as other:
        other.authority = wire.authority
        with pytest.raises(ReleasesUnreachableError):
            other.pi(publisher, tmp_path / "pi").release("0.2.0")
    with pytest.raises(ReleasesUnreachableError):
        TrustedReleases(
            tmp_path / "pi", publisher.first, "http://localhost:9", wire.pi(publisher, tmp_path)._fetcher
        ).release("0.2.0")


def test_a_release_never_changes(publisher: Publisher) -> None:
    """The same again is no fault; another content under a version's name is."""
    publisher.add("0.2.0")
    with pytest.raises(SigningError, match="another content"):
        publisher.repository.add(release("0.2.0", "e"), publisher.targets, publisher.online, NOW)
    assert Repository(publisher.folder / "public").releases() == ["0.2.0"]


def test_a_key_is_never_written_over(publisher: Publisher) -> None:
    """Lost keys can't be made again; their files are nobody else's."""
    with pytest.raises(SigningError, match="there already"):
        publisher.key("targets")
    assert (publisher.folder / "keys" / "targets").stat().st_mode & 0o077 == 0
