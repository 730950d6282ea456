"""Certificates as the embedded authority makes them, judged by the library that reads them."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import (
    ClientVerifier,
    ExtensionPolicy,
    PolicyBuilder,
    ServerVerifier,
    Store,
    VerificationError,
)

from gateway.enrolment.authority import BACKDATED, Life, Usage, make_intermediate, make_key, make_root
from gateway.enrolment.issuers import unfit
from gateway.enrolment.requests import read_request
from tests.rigs.requests import request

NOW = datetime(2027, 1, 1, tzinfo=UTC)
ROOT = make_root("Wattline", NOW)
AUTHORITY = make_intermediate(ROOT, "Wattline", NOW)
MONTH = Life.of(NOW, timedelta(days=30))
KEY = make_key()
CAS = ExtensionPolicy.webpki_defaults_ca()
"""A device's certificate has no alternative name, which the library else wants of a client."""


def policy(at: datetime = NOW) -> PolicyBuilder:
    return PolicyBuilder().store(Store([ROOT.certificate])).time(at)


def test_a_server_is_verified_by_its_names() -> None:
    """Host names and addresses, by the chain to the root, as a client does it."""
    made = AUTHORITY.sign("mqtt.example", KEY.public_key(), Usage.SERVER, MONTH, ["mqtt.example", "10.0.0.1"])
    verifier: ServerVerifier = policy().build_server_verifier(x509.DNSName("mqtt.example"))
    assert verifier.verify(made, [AUTHORITY.certificate])[-1] == ROOT.certificate
    with pytest.raises(VerificationError):
        policy().build_server_verifier(x509.DNSName("other.example")).verify(made, [AUTHORITY.certificate])
    with pytest.raises(VerificationError):
        policy().build_client_verifier().verify(made, [AUTHORITY.certificate])


def test_a_device_is_no_server_and_signs_nothing() -> None:
    """A device's certificate is for a client alone: it can neither play the broker nor make others."""
    made = AUTHORITY.sign("pi-1~2", KEY.public_key(), Usage.CLIENT, MONTH)
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [Usage.CLIENT.value]
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert made.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign is False
    with pytest.raises(VerificationError):
        policy().build_server_verifier(x509.DNSName("pi-1")).verify(made, [AUTHORITY.certificate])
    assert unfit(made, read_request(request("pi-1", "hw", KEY)), "pi-1~2", AUTHORITY.chain) == ""


def test_times_are_back_dated_and_end_with_the_authority() -> None:
    """Clocks differ by minutes; nothing outlasts what signed it."""
    made = AUTHORITY.sign("pi-1", KEY.public_key(), Usage.CLIENT, MONTH)
    assert (made.not_valid_before_utc, made.not_valid_after_utc) == (NOW - BACKDATED, NOW + timedelta(days=30))
    verifier: ClientVerifier
    for at, good in ((NOW - timedelta(minutes=9), True), (NOW + timedelta(days=31), False)):
        verifier = (
            policy(at).extension_policies(ca_policy=CAS, ee_policy=ExtensionPolicy.permit_all()).build_client_verifier()
        )
        if good:
            verifier.verify(made, [AUTHORITY.certificate])
        else:
            with pytest.raises(VerificationError):
                verifier.verify(made, [AUTHORITY.certificate])
    late = AUTHORITY.certificate.not_valid_after_utc - timedelta(days=1)
    short = AUTHORITY.sign("pi-1", KEY.public_key(), Usage.CLIENT, Life.of(late, timedelta(days=30)))
    assert short.not_valid_after_utc == AUTHORITY.certificate.not_valid_after_utc


def test_what_another_authority_signs_is_judged() -> None:
    """Another name, another key, or a signature of somebody else's are not handed out."""
    asked = read_request(request("pi-1", "hw", KEY))
    good = AUTHORITY.sign("pi-1", KEY.public_key(), Usage.CLIENT, MONTH)
    stranger = make_intermediate(make_root("Other", NOW), "Other", NOW)
    assert unfit(good, asked, "pi-1", AUTHORITY.chain) == ""
    assert "CN is 'pi-1'" in unfit(good, asked, "pi-1~2", AUTHORITY.chain)
    other = AUTHORITY.sign("pi-1", make_key().public_key(), Usage.CLIENT, MONTH)
    assert "another key" in unfit(other, asked, "pi-1", AUTHORITY.chain)
    foreign = stranger.sign("pi-1", KEY.public_key(), Usage.CLIENT, MONTH)
    assert "has signed it" in unfit(foreign, asked, "pi-1", AUTHORITY.chain)
