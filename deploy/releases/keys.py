"""Publishers' keys: Ed25519, a file each, behind a passphrase where one is given."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from broker.errors import PermanentError
from gateway.enrolment.ca_folder import KEY_MODE, write_pem


class SigningError(PermanentError):
    """What a publisher must mend."""


def make_key(file: Path, passphrase: bytes | None = None) -> CryptoSigner:
    """Make a key in a new file. Raises SigningError where the file is there: a key is never written over."""
    if file.exists():
        raise SigningError(f"{file} is there already: a key that is lost can't be made again")
    key = Ed25519PrivateKey.generate()
    how: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        how = serialization.BestAvailableEncryption(passphrase)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    write_pem(file, [text], KEY_MODE)
    return CryptoSigner(key)


def load_key(file: Path, passphrase: bytes | None = None) -> CryptoSigner:
    """Read a key. Raises SigningError."""
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), passphrase)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningError(f"{file} is no key that can be read, or its passphrase is another: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(f"{file} is no key of Ed25519")
    return CryptoSigner(key)
