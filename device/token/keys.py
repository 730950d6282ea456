"""Our keys in a token: made there, used there, removed there. In short-lived processes only."""

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import Buffer

from device.files import write_atomically
from device.token import module
from device.token.module import Attributes, Module, TokenError
from device.token_uri import TokenUri, reference_pem

MARK: Final = b"wattline"
"""What the ids of our keys begin with: no other key of a token is ever removed."""
REFUSED_PIN: Final = "pin.refused"
"""What a PIN that the token refused looked like: tried again and again it would lock the token."""
CURVE: Final = ec.SECP256R1()
_P256: Final = bytes.fromhex("06082a8648ce3d030107")
_BYTES: Final = 32
_STAYS: Final = "the key never leaves its token"
_WITHOUT_DERIVE: Final = (0x12, 0x13, 0xD1)
"""How a token says that a key of its does no ECDH."""


class TokenKey(ec.EllipticCurvePrivateKey):
    """A private key that stays in its token, as the library for certificates takes one: names of its arguments, too."""

    def __init__(self, of: "TokenKeys", key_id: bytes) -> None:
        self._of = of
        self.id = key_id
        self._public = of.public_key(key_id)

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """What is no secret of it."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-256, always."""
        return CURVE

    @property
    def key_size(self) -> int:
        """In bits."""
        return CURVE.key_size

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:  # noqa: ARG002
        """Sign by ECDSA with SHA-256, the one hash that is asked for. Raises TokenError."""
        digest = hashlib.sha256(data).digest()
        both = self._of.module.sign(self._of.handle(self.id, module.PRIVATE_KEY), digest, 2 * _BYTES)
        half = len(both) // 2
        return utils.encode_dss_signature(int.from_bytes(both[:half]), int.from_bytes(both[half:]))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:  # noqa: ARG002
        """ECDH. Raises TokenError where the token does none."""
        point = peer_public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return self._of.module.derive(self._of.handle(self.id, module.PRIVATE_KEY), point, _BYTES)

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Never. Raises TokenError."""
        raise TokenError(_STAYS)

    def private_bytes(self, encoding: object, format: object, encryption_algorithm: object) -> bytes:  # noqa: A002, ARG002
        """Never. Raises TokenError."""
        raise TokenError(_STAYS)

    def __copy__(self) -> "TokenKey":
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "TokenKey":
        return self


class TokenKeys:
    """What a token holds for us; opened by `opened`."""

    def __init__(self, uri: TokenUri, opened: Module) -> None:
        self._uri = uri
        self.module = opened

    def key(self, key_id: bytes) -> TokenKey:
        """One of ours. Raises TokenError where it is not there."""
        self.handle(key_id, module.PRIVATE_KEY)
        return TokenKey(self, key_id)

    def has(self, key_id: bytes) -> bool:
        """Whether one is there."""
        return bool(self._found(key_id, module.PRIVATE_KEY))

    def make(self) -> TokenKey:
        """Make another one, which never leaves the token."""
        key_id = MARK + secrets.token_bytes(8)
        named: Attributes = {module.TOKEN: True, module.LABEL: self._uri.object.encode(), module.ID: key_id}
        public: Attributes = named | {module.EC_PARAMS: _P256, module.VERIFY: True, module.PRIVATE: False}
        private: Attributes = named | {
            module.PRIVATE: True,
            module.SENSITIVE: True,
            module.EXTRACTABLE: False,
            module.SIGN: True,
        }
        try:
            self.module.generate(public, private | {module.DERIVE: True})
        except TokenError as error:
            if error.code not in _WITHOUT_DERIVE:
                raise
            self.module.generate(public, private)
        return TokenKey(self, key_id)

    def remove_all_but(self, *kept: bytes | None) -> None:
        """Remove those of our label and making that are none of these."""
        for kind in (module.PRIVATE_KEY, module.PUBLIC_KEY):
            for thing in self.module.objects({module.CLASS: kind, module.LABEL: self._uri.object.encode()}):
                key_id = self.module.value(thing, module.ID)
                if key_id.startswith(MARK) and key_id not in kept:
                    self.module.destroy(thing)

    def public_key(self, key_id: bytes) -> ec.EllipticCurvePublicKey:
        """The public one that belongs to a key."""
        point = self.module.value(self.handle(key_id, module.PUBLIC_KEY), module.EC_POINT)
        # an OCTET STRING around it, where the module keeps to the standard
        inner = point[-(1 + 2 * _BYTES) :]
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, inner)
        except ValueError as error:
            raise TokenError(f"its key is none on P-256 ({error})") from error

    def handle(self, key_id: bytes, kind: int) -> int:
        """The object of a key. Raises TokenError where it is not there."""
        found = self._found(key_id, kind)
        if not found:
            raise TokenError(f"the token {self._uri.token!r} has no key {self._uri.object!r} of the id {key_id.hex()}")
        return found[0]

    def _found(self, key_id: bytes, kind: int) -> list[int]:
        return self.module.objects({module.CLASS: kind, module.ID: key_id})


def reference(uri: TokenUri, key: ec.EllipticCurvePrivateKey) -> bytes:
    """What stands for a key of a token in a file (PEM)."""
    if not isinstance(key, TokenKey):
        raise TypeError("a key that is no token's is not referred to")
    return reference_pem(uri.of_key(key.id))


@contextlib.contextmanager
def opened(uri: TokenUri, folder: Path) -> Iterator[TokenKeys]:
    """The token, logged in. Raises TokenError, OSError.

    A PIN that it refused is not tried again until the file has another: three wrong ones lock most tokens for good.
    """
    pin = _pin(uri)
    look = hashlib.sha256(b"\0".join((uri.token.encode(), uri.serial.encode(), pin))).hexdigest().encode()
    refused = folder / REFUSED_PIN
    if refused.exists() and refused.read_bytes() == look:
        raise TokenError(
            f"pin-source: the token {uri.token!r} refused the PIN in {uri.pin_file}, which is not tried again, as "
            f"tokens lock themselves; write the right one there, or remove {refused}"
        )
    session = Module(uri)
    try:
        if session.flags & module.USER_PIN_LOCKED:
            raise TokenError(f"the token {uri.token!r} has locked its PIN; unlock it by its own tool")
        if session.flags & module.USER_PIN_FINAL_TRY:
            raise TokenError(f"the token {uri.token!r} gives one more try; log in by its own tool first")
        try:
            session.login(pin)
        except TokenError as error:
            if error.code == module.PIN_INCORRECT:
                write_atomically(refused, look, mode=0o600)
                raise TokenError(
                    f"pin-source: the PIN in {uri.pin_file} is not that of the token {uri.token!r}", error.code
                ) from error
            raise
        refused.unlink(missing_ok=True)
        yield TokenKeys(uri, session)
    finally:
        session.close()


def _pin(uri: TokenUri) -> bytes:
    try:
        pin = Path(uri.pin_file).read_bytes().strip(b"\r\n")
    except OSError as error:
        raise TokenError(
            f"pin-source: {uri.pin_file}: {error.strerror}; name a file with the PIN that the agent may read"
        ) from error
    if not pin:
        raise TokenError(f"pin-source: {uri.pin_file} is empty; write the PIN into it")
    return pin
