"""In the short-lived process: the device's key, its request, and the certificate that is given for it."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import AttributeOID, NameOID

from broker.errors import ContractError
from device.enrolment.certificate_file import FILE, HOME_FILE, KEY_FILE, StoredCertificate, with_header
from device.enrolment.certificate_request import CertificateRequest
from device.files import write_atomically
from device.token_uri import TokenUri

LEAST_LIFE_S: Final = 3600.0
"""Of a certificate that a place gives of which the device was only told; its own home may give shorter ones."""


def next_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    """The key to ask with: the one of before, as long as no certificate came for it. Raises OSError."""
    path = folder / KEY_FILE
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (FileNotFoundError, ValueError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        key = ec.generate_private_key(ec.SECP256R1())
        write_atomically(path, _key_pem(key))
    return key


def request_for(order: CertificateRequest, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A request as EST sends it: base64 of PKCS#10 (RFC 7030 4.2.1)."""
    subject = x509.Name([
        x509.NameAttribute(NameOID.COMMON_NAME, order.device),
        x509.NameAttribute(NameOID.SERIAL_NUMBER, order.hardware),
    ])  # fmt: skip
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    builder = builder.add_attribute(AttributeOID.UNSTRUCTURED_NAME, json.dumps(order.facts).encode())
    return base64.encodebytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))


def keep(order: CertificateRequest, key: ec.EllipticCurvePrivateKey, answer: bytes) -> StoredCertificate:
    """Put what was given into force, with its key, in one step. Raises ContractError where it is not ours, OSError."""
    leaf, others = _parted(answer, key)
    name = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    identity = str(name[0].value) if name else ""
    if identity.partition("~")[0] != order.device:
        raise ContractError(f"the certificate is for {identity[:80]!r}", field="certificate")
    if not any(_has_signed(one, leaf) for one in others):
        raise ContractError("none of those beside the certificate has signed it", field="certificate")
    held = StoredCertificate(identity, order.hardware, leaf.not_valid_before_utc, leaf.not_valid_after_utc)
    if held.not_after <= max(held.not_before, datetime.now(UTC)):
        # the one of before is better
        raise ContractError(f"the certificate ended at {held.not_after.isoformat()}", field="certificate")
    if order.home and held.life_s < LEAST_LIFE_S:
        # the device would do nothing but renew it
        raise ContractError(
            f"the certificate holds for {held.life_s:g} s, less than {LEAST_LIFE_S:g}", field="certificate"
        )
    # the root is not shown: who judges has it
    chain = [one for one in others if one.subject != one.issuer]
    pem = b"".join([_shown(order, key), *(one.public_bytes(Encoding.PEM) for one in (leaf, *chain))])
    folder = Path(order.folder)
    _keep_home_s(folder, believed=not order.home or _leads_to(leaf, others, Path(order.home)))
    write_atomically(folder / FILE, with_header(held, pem))
    (folder / KEY_FILE).unlink(missing_ok=True)
    return held


def _keep_home_s(folder: Path, *, believed: bool) -> None:
    """Put the certificate that home believes aside, before one that it does not takes its place. Raises OSError."""
    if believed:
        (folder / HOME_FILE).unlink(missing_ok=True)
    elif (folder / FILE).exists() and not (folder / HOME_FILE).exists():
        write_atomically(folder / HOME_FILE, (folder / FILE).read_bytes())


def _leads_to(leaf: x509.Certificate, others: list[x509.Certificate], authority: Path) -> bool:
    """Whether a chain of these certificates ends at one of a CA file."""
    roots = x509.load_pem_x509_certificates(authority.read_bytes())
    below, seen = [leaf], list[x509.Certificate]()
    while below:
        one = below.pop()
        if one in roots or any(_has_signed(root, one) for root in roots):
            return True
        seen.append(one)
        below += [above for above in others if above not in seen and _has_signed(above, one)]
    return False


def _parted(answer: bytes, key: ec.EllipticCurvePrivateKey) -> tuple[x509.Certificate, list[x509.Certificate]]:
    try:
        found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer))
        ours = [one for one in found if one.public_key() == key.public_key()]
    except ValueError as error:
        raise ContractError("the answer holds no certificates that can be read", field="certificate") from error
    if len(ours) != 1:
        raise ContractError("the answer holds no certificate for our key", field="certificate")
    return ours[0], [one for one in found if one != ours[0]]


def _has_signed(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _shown(order: CertificateRequest, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key itself, or which one of a token it is."""
    if not order.key:
        return _key_pem(key)
    from device.token.keys import reference  # noqa: PLC0415 - without a token none of it is needed

    return reference(TokenUri.parse(order.key), key)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
