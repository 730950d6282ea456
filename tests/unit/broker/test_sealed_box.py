"""What is sealed to one key is opened by it alone, for what it was sealed for, and unchanged."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from broker.errors import ContractError
from broker.sealed_box import open_box, recipient_of, seal

TEXT = b"a secret"


def pair(private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> tuple[bytes, bytes]:
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), public


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()], ids=["P-256", "P-384"])
def test_a_box_is_opened_by_its_key_alone(curve: ec.EllipticCurve) -> None:
    """Not by another key, for another context, or with an octet changed anywhere; no two boxes are the same."""
    private, public = pair(ec.generate_private_key(curve))
    box = seal(public, TEXT, b"pi-1 7")
    assert open_box(private, box, b"pi-1 7") == TEXT
    assert TEXT not in box
    assert seal(public, TEXT, b"pi-1 7") != box
    other, _ = pair(ec.generate_private_key(curve))
    changed = [box[:at] + bytes((box[at] ^ 1,)) + box[at + 1 :] for at in (0, 5, len(box) // 2, len(box) - 1)]
    for key, one, context in ((other, box, b"pi-1 7"), (private, box, b"pi-1 8"), (private, b"", b"pi-1 7")):
        with pytest.raises(ContractError, match="sealed"):
            open_box(key, one, context)
    for one in changed:
        with pytest.raises(ContractError, match="sealed"):
            open_box(private, one, b"pi-1 7")


def test_a_key_of_another_kind_is_refused() -> None:
    """RSA keys only sign certificates here; what is no key is said to be none."""
    private, public = pair(rsa.generate_private_key(65537, 2048))
    with pytest.raises(ContractError, match="no EC key"):
        seal(public, TEXT, b"")
    with pytest.raises(ContractError, match="no EC key"):
        open_box(private, b"", b"")
    with pytest.raises(ContractError, match="no private key"):
        recipient_of(b"nothing")
