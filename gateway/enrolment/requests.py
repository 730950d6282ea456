"""What a device asks for: its certificate request (PKCS#10), read and judged field by field. Pure functions."""

import base64
import binascii
import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import AttributeOID, NameOID

from broker.contract.identity import is_reserved
from broker.patterns import is_name
from broker.selectors import NAME_RULE
from gateway.enrolment.authority import common_name
from gateway.events import clean
from gateway.faults import invalid

MAX_BYTES: Final = 16 * 1024
"""Of a request as it is sent; one with an RSA key of 4096 bits has 2 KiB."""
DEVICE_MAX: Final = 57
"""Characters of a device id that enrols: a CN has 64 at most (RFC 5280 A.1), and `~999999` may follow."""
CURVES: Final = ("secp256r1", "secp384r1")
RSA_BITS: Final = range(2048, 4097)
FACTS: Final = ("serial", "model", "os", "machine")
"""What a device may tell of its hardware, beside the id that it is known again by."""
FACT_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is good as far as it goes: who, on which hardware, with which key."""

    device: str
    hardware: str
    """By which the same machine is known again: a Pi's serial number, or a hash of the machine id."""
    facts: Mapping[str, str]
    spki_sha256: bytes
    """Of the public key (its SubjectPublicKeyInfo)."""
    der: bytes

    @property
    def key(self) -> CertificatePublicKeyTypes:
        """The public key."""
        return x509.load_der_x509_csr(self.der).public_key()

    @property
    def spki(self) -> bytes:
        """The public key's SubjectPublicKeyInfo (DER)."""
        return spki_of(self.der)

    @property
    def pem(self) -> bytes:
        """The request as text."""
        return x509.load_der_x509_csr(self.der).public_bytes(serialization.Encoding.PEM)


def spki_of(csr: bytes) -> bytes:
    """The public key of a request (DER), as SubjectPublicKeyInfo (DER)."""
    key = x509.load_der_x509_csr(csr).public_key()
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def read_request(body: bytes) -> Asked:
    """A request as EST sends it, base64 of PKCS#10 (RFC 7030 4.2.1). Raises Refusal that names what is wrong."""
    csr = _decoded(body)
    if not csr.is_signature_valid:
        raise invalid("csr", "its signature is not by its own key", "make the request anew")
    _check_key(csr)
    device = common_name(csr.subject)
    check_device(device)
    hardware = _hardware(csr)
    der = csr.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    facts = _facts(csr)
    return Asked(device, hardware, facts, hashlib.sha256(der).digest(), csr.public_bytes(serialization.Encoding.DER))


def check_device(device: str) -> None:
    """See that a device may have this id. Raises Refusal."""
    if not is_name(device) or len(device) > DEVICE_MAX:
        reason = f"{device[:80]!r} is no device id that can enrol"
        raise invalid("csr.subject.CN", reason, NAME_RULE.replace("64", str(DEVICE_MAX)))
    if is_reserved(device):
        raise invalid("csr.subject.CN", f"{device!r} is a name of the platform's own", "give the device another id")


def _decoded(body: bytes) -> x509.CertificateSigningRequest:
    fix = "send base64 of a PKCS#10 request in DER, as `openssl req -outform DER | base64` makes it"
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
        csr = x509.load_der_x509_csr(der)
        with warnings.catch_warnings(action="error"):
            # what a request holds is read when it is asked for: what can't be read, or is doubtful, must show here
            _ = csr.subject, csr.is_signature_valid, csr.public_key(), list(csr.attributes)
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, UserWarning) as error:
        raise invalid("csr", "it is no certificate request that can be read", fix) from error
    return csr


def _check_key(csr: x509.CertificateSigningRequest) -> None:
    key = csr.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        return
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in RSA_BITS:
        return
    raise invalid(
        "csr.key", "its key is of no kind that is taken", "take EC on P-256 or P-384, or RSA of 2048 to 4096 bits"
    )


def _hardware(csr: x509.CertificateSigningRequest) -> str:
    found = csr.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    hardware = str(found[0].value) if len(found) == 1 else ""
    if not is_name(hardware):
        fix = "put what the machine is known again by into the subject's serialNumber: " + NAME_RULE
        raise invalid("csr.subject.serialNumber", f"{hardware[:80]!r} names no hardware", fix)
    return hardware


def _facts(csr: x509.CertificateSigningRequest) -> dict[str, str]:
    """The hardware's facts, JSON in the attribute unstructuredName (PKCS#9); none where it says nothing readable."""
    try:
        told = json.loads(csr.attributes.get_attribute_for_oid(AttributeOID.UNSTRUCTURED_NAME).value)
    except (x509.AttributeNotFound, ValueError, RecursionError):
        return {}
    if not isinstance(told, dict):
        return {}
    return {name: clean(told[name])[:FACT_MAX] for name in FACTS if isinstance(told.get(name), str)}
