"""What a device's certificate request must be, field by field."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from gateway.enrolment.requests import DEVICE_MAX, read_request
from gateway.faults import Kind, Refusal
from tests.rigs.requests import request, request_der

KEY = ec.generate_private_key(ec.SECP256R1())


def refused(body: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read_request(body)
    assert caught.value.kind is Kind.INVALID
    assert caught.value.fix
    return caught.value


def test_a_good_request_is_read() -> None:
    """Device, hardware, facts, and the key by which it is known again; base64 in any lines."""
    body = request("pi-1", "pi-10000000abc", KEY, facts={"model": "Raspberry Pi 4\0", "serial": 7, "colour": "red"})
    asked = read_request(body)
    assert (asked.device, asked.hardware) == ("pi-1", "pi-10000000abc")
    assert asked.facts == {"model": "Raspberry Pi 4\ufffd"}
    assert asked.key == KEY.public_key()
    assert read_request(b"".join(body.split())).spki_sha256 == asked.spki_sha256
    assert read_request(request("pi-1", "pi-10000000abc")).spki_sha256 != asked.spki_sha256


@pytest.mark.parametrize(
    "device",
    ["ingestor", "gateway", "monitor", "engineer", "wattline-ingestor", "wattline-admin", "a/b", "+", "#", "pi-1~2",
     "pi 1", "", "-x", "é", "x" * (DEVICE_MAX + 1), "pi-1\n", "$SYS"],
)  # fmt: skip
def test_names_that_no_device_may_have_are_refused(device: str) -> None:
    """The platform's own, what would be a topic's part or filter, another's later login, and what is too long."""
    assert refused(request(device, "pi-10000000abc")).field == ("csr.subject.CN" if device else "csr")


@pytest.mark.parametrize("hardware", [None, "", "a/b", "pi:1"])
def test_hardware_must_be_named(hardware: str | None) -> None:
    """By a name as devices have them."""
    assert refused(request("pi-1", hardware)).field == "csr.subject.serialNumber"


def test_keys_of_other_kinds_are_refused() -> None:
    """Short RSA keys, odd curves and signatures of another kind; RSA as secure elements have it is taken."""
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that it is too short is the point
    for key in (short, ec.generate_private_key(ec.SECP256K1())):
        assert refused(request("pi-1", "hw", key)).field == "csr.key"
    assert read_request(request("pi-1", "hw", rsa.generate_private_key(65537, 2048))).device == "pi-1"
    with pytest.raises(ValueError, match="Algorithm must be None"):
        request("pi-1", "hw", ed25519.Ed25519PrivateKey.generate())


def test_a_request_signed_by_another_key_is_refused() -> None:
    """Who asks must hold the key: one changed byte of the signature, or of what is signed."""
    der = request_der("pi-1", "hw")
    for changed in (der[:-1] + bytes([der[-1] ^ 1]), der.replace(b"pi-1", b"pi-2")):
        assert refused(base64.encodebytes(changed)).field == "csr"


@given(st.one_of(st.binary(max_size=200), st.builds(base64.b64encode, st.binary(max_size=400))))
def test_garbage_is_refused_in_words(body: bytes) -> None:
    """Whatever is no request."""
    assert refused(body).field == "csr"


@given(st.integers(0, 255), st.integers(0, 220))
def test_a_damaged_request_is_refused_or_read_as_it_says(octet: int, place: int) -> None:
    """One octet anywhere: no other error than a refusal that names a field."""
    der = bytearray(request_der("pi-1", "hw", KEY, facts={"model": "x"}))
    der[place % len(der)] = octet
    try:
        assert read_request(base64.b64encode(bytes(der))).device == "pi-1"
    except Refusal as error:
        assert error.field.startswith("csr")  # noqa: PT017 - either is right


@pytest.mark.parametrize("facts", [b"[1]", b"{", b"[" * 5000])
def test_facts_that_say_nothing_are_passed_over(facts: bytes) -> None:
    """They are told for people, and decide nothing."""
    assert read_request(request("pi-1", "hw", facts=facts)).facts == {}
