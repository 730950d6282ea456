"""The folder of signed metadata that Pis fetch, by the roles of The Update Framework (specification 1.0, 4)."""

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from deploy.releases.keys import SigningError
from device.files import write_atomically
from device.releases.document import Release, place_of

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


class Role(StrEnum):
    """Whose word is what: `targets` says which releases there are, `online` that this is the newest word."""

    ROOT = "root"
    TARGETS = "targets"
    ONLINE = "online"


LIVES: Final[Mapping[str, timedelta]] = {
    "root": timedelta(days=3 * 365),
    "targets": timedelta(days=2 * 365),
    "snapshot": timedelta(days=14),
    "timestamp": timedelta(days=14),
}
"""How long a word holds. The last two are how long somebody on the line can keep a Pi from news without its noticing;
they are renewed daily by the key that is online, the others when somebody signs."""
_NEW: Final = JSONSerializer(compact=True)
_NO_FOLDER: Final = "{} is no folder of releases: `python -m deploy.releases begin` makes one"
USED: Final = "x-wattline-used"
"""Field of the list of releases: each version that was ever signed, withdrawn ones too, with its document's SHA-256."""


class Repository:
    """A folder with `metadata/` and `targets/`, to be served as it is: nothing in it is secret.

    Whoever changes it is alone with it: of two at once one waits, so that no number is signed twice.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, roots: Sequence[CryptoSigner], threshold: int, release: CryptoSigner, online: CryptoSigner,
              now: datetime) -> bytes:  # fmt: skip
        """Make an empty repository; returns the first root, which Pis' images carry. Raises SigningError."""
        if not 1 <= threshold <= len(roots):
            raise SigningError(f"a threshold of {threshold} with {len(roots)} root keys")
        root = Root(consistent_snapshot=True)
        for signer in roots:
            root.add_key(signer.public_key, "root")
        root.roles["root"].threshold = threshold
        _give(root, Role.TARGETS, [release])
        _give(root, Role.ONLINE, [online])
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            if self._version("root"):
                raise SigningError(f"{self.folder} has a root already: change its keys by `rotate`")
            (self.folder / "metadata").mkdir(exist_ok=True)
            data = self._write_root(root, roots, now)
            self._write_targets(Targets(), release, now)
            self._write_online(online, now)
        return data

    def add(self, release: Release, signer: CryptoSigner, online: CryptoSigner, now: datetime) -> None:
        """Sign a release. Raises SigningError where that version was signed with another content."""
        place, data = place_of(release.version), release.model_dump_json(exclude_none=True).encode()
        target = TargetFile.from_data(place, data, ["sha256"])
        digest = target.hashes["sha256"]
        with self._alone():
            targets = self._current("targets", Targets)
            # also of one that was withdrawn: Pis may run it
            if self._used(targets).get(release.version, digest) != digest:
                raise SigningError(
                    f"{release.version} was signed before, with another content: give it a version of its own"
                )
            name = f"{digest}.{Path(place).name}"
            write_atomically(self.folder / "targets" / Path(place).parent / name, data)
            targets.targets[place] = target
            self._write_targets(targets, signer, now)
            self._write_online(online, now)

    def withdraw(self, version: str, signer: CryptoSigner, online: CryptoSigner, now: datetime) -> None:
        """Take a release back: no Pi installs it from its next look on. Raises SigningError."""
        with self._alone():
            targets = self._current("targets", Targets)
            targets.unrecognized_fields[USED] = self._used(targets)
            if targets.targets.pop(place_of(version), None) is None:
                raise SigningError(f"{version} is no release; there are: {', '.join(self.releases()) or 'none'}")
            self._write_targets(targets, signer, now)
            self._write_online(online, now)

    def refresh(self, online: CryptoSigner, now: datetime) -> None:
        """Say again that this is the newest word; to be done daily."""
        with self._alone():
            self._write_online(online, now)

    def rotate(self, role: Role, keys: Sequence[CryptoSigner], roots: Sequence[CryptoSigner], now: datetime) -> bytes:
        """Give a role other keys; signed by enough of the root keys of before, and for `root` of the new ones too.

        Whoever changes `targets` or `online` signs and refreshes with the new key next. Raises SigningError.
        """
        with self._alone():
            root = self._current("root", Root)
            signers = [*roots, *(keys if role is Role.ROOT else ())]
            _give(root, role, keys)
            return self._write_root(root, signers, now)

    def sign_targets(self, signer: CryptoSigner, online: CryptoSigner, now: datetime) -> None:
        """Sign the releases anew, with a new key or because the word of before ends."""
        with self._alone():
            self._write_targets(self._current("targets", Targets), signer, now)
            self._write_online(online, now)

    def releases(self) -> list[str]:
        """The versions that are signed."""
        return sorted(Path(place).stem for place in self._current("targets", Targets).targets)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self.folder.is_dir():
            raise SigningError(_NO_FOLDER.format(self.folder))
        with (self.folder / ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _used(self, targets: Targets) -> dict[str, str]:
        """Each version that was ever signed; in a folder of before by the documents that are left there."""
        found = {file.name.partition(".")[2]: file.name.partition(".")[0] for file in self._documents()}
        used = {name.removesuffix(".json"): digest for name, digest in found.items()}
        used |= {Path(place).stem: one.hashes["sha256"] for place, one in targets.targets.items()}
        return {**used, **targets.unrecognized_fields.get(USED, {})}

    def _documents(self) -> list[Path]:
        return sorted((self.folder / "targets" / Path(place_of("0")).parent).glob("*.json"))

    def _version(self, name: str) -> int:
        """The highest version of a document, 0 where there is none."""
        if name == "timestamp":
            file = self.folder / "metadata" / "timestamp.json"
            return Metadata[Timestamp].from_file(str(file)).signed.version if file.exists() else 0
        return max((int(file.name.split(".")[0]) for file in self.folder.glob(f"metadata/*.{name}.json")), default=0)

    def _current(self, name: str, kind: type[S]) -> S:
        version = self._version(name)
        if not version:
            raise SigningError(_NO_FOLDER.format(self.folder))
        signed = Metadata.from_file(str(self.folder / "metadata" / f"{version}.{name}.json")).signed
        if not isinstance(signed, kind):
            raise SigningError(f"{version}.{name}.json in {self.folder} is another document")
        return signed

    def _write_root(self, root: Root, signers: Sequence[CryptoSigner], now: datetime) -> bytes:
        metadata = self._signed(root, "root", signers, now)
        before = self._current("root", Root) if root.version > 1 else None
        result = root.get_root_verification_result(before, metadata.signed_bytes, metadata.signatures)
        if not result.verified:
            raise SigningError(
                f"too few root keys have signed: {result.first.missing or result.second.missing} are missing"
            )
        return self._write(metadata, f"{root.version}.root.json")

    def _write_targets(self, targets: Targets, signer: CryptoSigner, now: datetime) -> None:
        self._judge(Role.TARGETS, signer)
        targets.unrecognized_fields[USED] = self._used(targets)
        self._write(self._signed(targets, "targets", [signer], now), f"{targets.version}.targets.json")

    def _write_online(self, online: CryptoSigner, now: datetime) -> None:
        self._judge(Role.ONLINE, online)
        snapshot = Snapshot(meta={"targets.json": MetaFile(self._version("targets"))})
        self._write(self._signed(snapshot, "snapshot", [online], now), f"{snapshot.version}.snapshot.json")
        timestamp = Timestamp(snapshot_meta=MetaFile(snapshot.version))
        self._write(self._signed(timestamp, "timestamp", [online], now), "timestamp.json")

    def _judge(self, role: Role, signer: CryptoSigner) -> None:
        """See that Pis will believe this key in this role."""
        name = "targets" if role is Role.TARGETS else "timestamp"
        if signer.public_key.keyid not in self._current("root", Root).roles[name].keyids:
            raise SigningError(f"this key has not the role {role}: Pis would believe nothing that it signs")

    def _signed(self, signed: S, name: str, signers: Sequence[CryptoSigner], now: datetime) -> Metadata[S]:
        signed.version = self._version(name) + 1
        signed.expires = (now + LIVES[name]).replace(microsecond=0)
        metadata = Metadata(signed)
        for signer in signers:
            metadata.sign(signer, append=True)
        return metadata

    def _write(self, metadata: Metadata[S], name: str) -> bytes:
        data = metadata.to_bytes(_NEW)
        write_atomically(self.folder / "metadata" / name, data)
        return data


def _give(root: Root, role: Role, keys: Sequence[CryptoSigner]) -> None:
    """Make these the keys of a role, and no others."""
    for name in ("snapshot", "timestamp") if role is Role.ONLINE else (role.value,):
        for keyid in list(root.roles[name].keyids):
            root.revoke_key(keyid, name)
        for signer in keys:
            root.add_key(signer.public_key, name)
