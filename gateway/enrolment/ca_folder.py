"""The embedded authority's folder: its keys, readable by their owner only, and its certificates, which are public."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from broker.errors import PermanentError
from gateway.enrolment.authority import Authority, make_intermediate, make_root

log = structlog.get_logger()
Files = dict[str, tuple[list[bytes], int]]
"""What files hold, with their modes, in the order in which they are written."""
ROOT: Final = "root.pem"
"""What devices and services trust: it goes into images."""
ROOT_KEY: Final = "root.key"
"""Needed for another intermediate only: it may be kept elsewhere."""
INTERMEDIATE: Final = "intermediate.pem"
INTERMEDIATE_KEY: Final = "intermediate.key"
CHAIN: Final = "chain.pem"
"""Intermediate and root, for a server that judges clients; written last, so that it says that all is there."""
KEY_MODE: Final = 0o600
PUBLIC_MODE: Final = 0o644
MAKING: Final = "making"
"""Below the folder, while files that belong together are written."""
ORGANISATION: Final = "Wattline"
FILES: Final = (ROOT, ROOT_KEY, INTERMEDIATE, INTERMEDIATE_KEY, CHAIN)
MAY_BE_ELSEWHERE: Final = frozenset({ROOT_KEY})


def open_or_make(folder: Path, passphrase: bytes | None, organisation: str = ORGANISATION) -> tuple[Authority, bool]:
    """The intermediate of a folder, made there with its root where the folder has no file of one, and whether it was.

    Raises PermanentError, also where a part is missing: another root would be one that no device trusts.
    """
    try:
        make_folder(folder)
        with _alone(folder):
            _finish(folder)
            made = _is_empty(folder)
            if made:
                _make(folder, passphrase, organisation)
    except OSError as error:
        place = error.filename or folder
        raise PermanentError(
            f"CA folder: {place}: {error.strerror}; name a folder that this account may write"
        ) from error
    return load(folder, passphrase), made


def load(folder: Path, passphrase: bytes | None) -> Authority:
    """The intermediate of a folder, with its key. Raises PermanentError that names the file and the fix."""
    with _unchanged(folder):
        certificate, root = (_certificate(folder / name) for name in (INTERMEDIATE, ROOT))
        key = _key(folder / INTERMEDIATE_KEY, passphrase)
    if key.public_key() != certificate.public_key():
        raise PermanentError(
            f"CA folder: {INTERMEDIATE_KEY} is not the key of {INTERMEDIATE} in {folder}; restore both, or run"
            " `wattline ca init`, which finishes a renewal that was cut off"
        )
    return Authority(certificate, key, (root,))


def renew_intermediate(folder: Path, passphrase: bytes | None, root_key: Path | None = None) -> Authority:
    """Another intermediate below the same root, in the place of the one before; what that signed holds to its end.

    Who trusts the root alone notices nothing, as everybody shows the intermediate beside the certificate that it
    signed. The root's key may lie elsewhere. Raises PermanentError.
    """
    certificate, path = _certificate(folder / ROOT), root_key or folder / ROOT_KEY
    key = _key(path, passphrase)
    if key.public_key() != certificate.public_key():
        raise PermanentError(f"CA folder: {path} is not the key of {ROOT} in {folder}; name the right one")
    names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    root = Authority(certificate, key)
    made = make_intermediate(root, str(names[0].value) if names else ORGANISATION, datetime.now(UTC))
    try:
        with _alone(folder):
            _finish(folder)
            _put(folder, _intermediate_files(made, passphrase))
    except OSError as error:
        place = error.filename or folder
        raise PermanentError(f"CA folder: {place}: {error.strerror}; use the account that owns it") from error
    return made


def write_pem(path: Path, blocks: Iterable[bytes], mode: int) -> None:
    """Write a file that nobody but those of its mode could read at any time. Raises OSError."""
    # of a name that nobody else has: two gateways may write into one folder at once
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".new", dir=path.parent)
    growing = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"".join(blocks))
            file.flush()
            _give(descriptor, path.parent)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        growing.replace(path)
        _sync(path.parent)
    except BaseException:
        growing.unlink(missing_ok=True)
        raise


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, of the account that owns the one in which they are made. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _give(folder, folder.parent)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    """See that names of a folder are on the disk, and not only what its files hold. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give(what: Path | int, folder: Path) -> None:
    """Let what root makes be of the account that owns the folder: a service reads it, and may write it anew."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(what, owner.st_uid, owner.st_gid)


def pem(certificate: x509.Certificate) -> bytes:
    """A certificate as text."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> bytes:
    """A private key as text, behind a passphrase where one is given."""
    how: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        how = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def _is_empty(folder: Path) -> bool:
    """Whether no file of an authority is there. Raises PermanentError where some are, and others are missing."""
    there = [name for name in FILES if os.path.lexists(folder / name)]
    missing = [name for name in FILES if name not in there and name not in MAY_BE_ELSEWHERE]
    if there and missing:
        raise PermanentError(
            f"CA folder: {folder} has {', '.join(there)} and lacks {', '.join(missing)}: restore what is missing from "
            "a backup; only where this authority has signed nothing yet (its making was cut off), remove what is there "
            "and make it anew. Nothing was changed: devices trust no other root than theirs"
        )
    return not there


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two gateways that start on one folder make one authority."""
    with (folder / "lock").open("ab") as lock:
        _give(lock.fileno(), folder)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _unchanged(folder: Path) -> Iterator[None]:
    """Who reads does not find half of a renewal; an account that may not read the lock goes without."""
    try:
        lock = (folder / "lock").open("rb")
    except OSError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def _make(folder: Path, passphrase: bytes | None, organisation: str) -> None:
    now = datetime.now(UTC)
    root = make_root(organisation, now)
    intermediate = make_intermediate(root, organisation, now)
    root_files: Files = {
        ROOT_KEY: ([key_pem(root.key, passphrase)], KEY_MODE),
        ROOT: ([pem(root.certificate)], PUBLIC_MODE),
    }
    _put(folder, root_files | _intermediate_files(intermediate, passphrase))
    log.info("ca_made", folder=str(folder), ends_at=intermediate.certificate.not_valid_after_utc.isoformat())


def _intermediate_files(intermediate: Authority, passphrase: bytes | None) -> Files:
    return {
        INTERMEDIATE_KEY: ([key_pem(intermediate.key, passphrase)], KEY_MODE),
        INTERMEDIATE: ([pem(intermediate.certificate)], PUBLIC_MODE),
        CHAIN: (list(map(pem, intermediate.chain)), PUBLIC_MODE),
    }


def _put(folder: Path, files: Files) -> None:
    """Write files that belong together, CHAIN last: whatever is cut off, the next start has all of them or none."""
    making = folder / MAKING
    making.mkdir(mode=0o700)
    _give(making, folder)
    for name, (blocks, mode) in files.items():
        write_pem(making / name, blocks, mode)
    _finish(folder)


def _finish(folder: Path) -> None:
    """Put into place what was written as a whole before somebody was cut off; what was not is forgotten."""
    making = folder / MAKING
    if (making / CHAIN).exists():
        for name in sorted((file.name for file in making.iterdir()), key=CHAIN.__eq__):
            (making / name).replace(folder / name)
        # what is forgotten must not leave the disk before what stands in its place is there
        _sync(folder)
    if making.exists():
        shutil.rmtree(making)


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise PermanentError(
            f"CA folder: {path}: {error.strerror}; restore it from a backup, or, where there never was a CA, make one "
            "by `wattline ca init`"
        ) from error
    except ValueError as error:
        raise PermanentError(f"CA folder: {path} holds no certificate; restore it from a backup") from error


def _key(path: Path, passphrase: bytes | None) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), passphrase or None)
    except OSError as error:
        raise PermanentError(f"CA folder: {path}: {error.strerror}; restore it, or let this account read it") from error
    except TypeError as error:
        # cryptography raises it for a passphrase too many as for one too few
        fix = "leave the passphrase out" if passphrase else "set CA__PASSPHRASE_FILE"
        raise PermanentError(f"CA folder: {path}: {error}; {fix}") from error
    except ValueError as error:
        raise PermanentError(f"CA folder: {path} is damaged, or the passphrase is another one") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PermanentError(f"CA folder: {path} holds no EC key; restore it from a backup")
    return key
