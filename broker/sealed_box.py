"""Messages that only the holder of a private EC key can open: ECDH with a key of the moment, HKDF, AES-256-GCM.

Who seals is not proved by it. The library is imported where there is something to seal or to open.
"""

import hashlib
import secrets
from typing import TYPE_CHECKING, Final

from broker.errors import ContractError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_PURPOSE: Final = b"wattline sealed box 1\0"
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


def seal(recipient: bytes, text: bytes, context: bytes) -> bytes:
    """Seal to a public key (DER, SubjectPublicKeyInfo); `context` must be the same where it is opened.

    Raises ContractError for a key of another kind than EC, to which nothing is sealed.
    """
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    public = load_der_public_key(recipient)
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise ContractError("it is no EC key", field="recipient", fix="have the device enrol with a key on P-256")
    ours = ec.generate_private_key(public.curve)
    point, nonce = _point(ours.public_key()), secrets.token_bytes(_NONCE_BYTES)
    key = _derived(ours.exchange(ec.ECDH(), public), point, recipient, context)
    return point + nonce + AESGCM(key).encrypt(nonce, text, None)


def open_box(private: bytes, box: bytes, context: bytes) -> bytes:
    """Open what was sealed to a private key's public one; `private` is PEM, and may have certificates behind it.

    Raises ContractError where it was sealed to another key or for another context, or was changed.
    """
    return open_by(_private(private), box, context)


def open_by(ours: "PrivateKeyTypes", box: bytes, context: bytes) -> bytes:
    """The same by a key that is no text: one that stays in a token. Raises ContractError as well."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    if not isinstance(ours, ec.EllipticCurvePrivateKey):
        raise ContractError("it is no EC key", field="key")
    length = 1 + 2 * ((ours.curve.key_size + 7) // 8)
    point, nonce, sealed = box[:length], box[length : length + _NONCE_BYTES], box[length + _NONCE_BYTES :]
    try:
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ours.curve, point)
        key = _derived(ours.exchange(ec.ECDH(), theirs), point, _der(ours.public_key()), context)
        return AESGCM(key).decrypt(nonce, sealed, None)
    except (InvalidTag, ValueError) as error:
        raise ContractError("it was sealed to another key, or changed", field="sealed") from error


def recipient_of(private: bytes) -> str:
    """The SHA-256 of the public key that belongs to a private one (PEM), in hex. Raises ContractError."""
    return hashlib.sha256(_der(_private(private).public_key())).hexdigest()


def recipient_of_certificate(pem: bytes) -> str:
    """The same of the first certificate in a PEM file. Raises ContractError."""
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415 - see above

    try:
        return hashlib.sha256(_der(load_pem_x509_certificate(pem).public_key())).hexdigest()
    except ValueError as error:
        raise ContractError("there is no certificate in it", field="certificate") from error


def _private(pem: bytes):  # type: ignore[no-untyped-def]  # noqa: ANN202
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - see above

    try:
        return load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise ContractError("there is no private key in it", field="key") from error


def _der(public) -> bytes:  # type: ignore[no-untyped-def]  # noqa: ANN001
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - see above

    found: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return found


def _point(public: "EllipticCurvePublicKey") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - see above

    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _derived(shared: bytes, point: bytes, recipient: bytes, context: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    info = _PURPOSE + hashlib.sha256(point + recipient).digest() + context
    return HKDF(SHA256(), _KEY_BYTES, None, info).derive(shared)
