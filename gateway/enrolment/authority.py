"""Certificates as they are made here: a root, an intermediate that signs, and what it signs. No file and no clock."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from broker.errors import ContractError

ROOT_LIFE: Final = timedelta(days=20 * 365)
INTERMEDIATE_LIFE: Final = timedelta(days=10 * 365)
INTERMEDIATE: Final = "intermediate"
COMMON_NAME_MAX: Final = 64
"""Characters of a common name (RFC 5280 appendix A, ub-common-name)."""
BACKDATED: Final = timedelta(minutes=10)
"""Certificates begin so long before they are made, a tenth of their life at most: clocks differ by minutes."""


class Usage(Enum):
    """What a certificate is for (RFC 5280 4.2.1.12)."""

    CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
    SERVER = ExtendedKeyUsageOID.SERVER_AUTH


@dataclass(frozen=True, slots=True)
class Life:
    """From when until when a certificate holds; aware, whole seconds."""

    begins_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, now: datetime, length: timedelta) -> "Life":
        """From a little before now, for so long from now."""
        whole = now.replace(microsecond=0)
        return cls(whole - min(BACKDATED, length / 10), whole + length)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that signs others, its key, and those above it, up to the root."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """This one and those above it: what stands behind a certificate of its own."""
        return (self.certificate, *self.above)

    def sign(
        self, name: str, key: CertificatePublicKeyTypes, usage: Usage, life: Life, hosts: Sequence[str] = ()
    ) -> x509.Certificate:
        """A certificate of this name (its CN) for a key; `hosts` are a server's names and addresses.

        It ends no later than the authority itself.
        """
        ends_at = min(life.ends_at, self.certificate.not_valid_after_utc)
        builder = _builder(_common_name(name), self.certificate.subject, key, Life(life.begins_at, ends_at))
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage.value]), critical=False)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(one) for one in hosts]), critical=False)
        return _signed(builder, self)


def make_key() -> ec.EllipticCurvePrivateKey:
    """A new private key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def make_root(organisation: str, now: datetime) -> Authority:
    """A root that signs itself, for one intermediate below it."""
    key, life = make_key(), Life.of(now, ROOT_LIFE)
    name = _authority_name(organisation, "root")
    builder = _authority(_builder(name, name, key.public_key(), life), below=1)
    certificate = builder.sign(key, hashes.SHA256())
    return Authority(certificate, key)


def make_intermediate(root: Authority, organisation: str, now: datetime) -> Authority:
    """An authority below the root, which signs what is used day by day."""
    key, life = make_key(), Life.of(now, INTERMEDIATE_LIFE)
    life = Life(life.begins_at, min(life.ends_at, root.certificate.not_valid_after_utc))
    name = _authority_name(organisation, INTERMEDIATE)
    builder = _authority(_builder(name, root.certificate.subject, key.public_key(), life), below=0)
    return Authority(_signed(builder, root), key, root.chain)


def common_name(name: x509.Name) -> str:
    """The CN of a name, empty where it has none or several."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if len(found) == 1 else ""


def _builder(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, life: Life
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(life.begins_at)
        .not_valid_after(life.ends_at)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _authority(builder: x509.CertificateBuilder, below: int) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=below), critical=True)
    return builder.add_extension(_key_usage(signs_certificates=True), critical=True)


def _signed(builder: x509.CertificateBuilder, by: Authority) -> x509.Certificate:
    identifier = by.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    return builder.add_extension(issuer, critical=False).sign(by.key, hashes.SHA256())


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def check_organisation(organisation: str) -> str:
    """The organisation, as it may stand in the authorities' names (RFC 5280 appendix A). Raises ContractError."""
    most = COMMON_NAME_MAX - len(f" {INTERMEDIATE}")
    if not organisation.strip() or not organisation.isprintable() or len(organisation) > most:
        raise ContractError(
            f"{organisation[:80]!r} can't stand in a certificate", field="organisation",
            fix=f"write 1 to {most} printable characters",
        )  # fmt: skip
    return organisation


def _authority_name(organisation: str, kind: str) -> x509.Name:
    organised = x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)
    return x509.Name([organised, x509.NameAttribute(NameOID.COMMON_NAME, f"{organisation} {kind}")])


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
