"""Certificate requests as devices make them, and as nobody should."""

import base64
import json
import warnings
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID, NameOID


def request_der(
    device: str | None, hardware: str | None, key: Any = None, facts: dict[str, Any] | bytes | None = None
) -> bytes:
    """PKCS#10 in DER: CN, serialNumber, and the hardware's facts, of which each may be left out."""
    names = [(NameOID.COMMON_NAME, device), (NameOID.SERIAL_NUMBER, hardware)]
    # names of any length and character are made, too: it is for the server to refuse them
    with warnings.catch_warnings(action="ignore"):
        subject = x509.Name([x509.NameAttribute(oid, text, _validate=False) for oid, text in names if text is not None])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if facts is not None:
        told = facts if isinstance(facts, bytes) else json.dumps(facts).encode()
        builder = builder.add_attribute(AttributeOID.UNSTRUCTURED_NAME, told)
    return builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)


def request(device: str | None, hardware: str | None, key: Any = None, **more: Any) -> bytes:
    """The same as EST sends it."""
    return base64.encodebytes(request_der(device, hardware, key, **more))
