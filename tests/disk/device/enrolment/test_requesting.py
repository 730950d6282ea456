"""What the short-lived process keeps: the key that it asks with, and the certificate that came for it."""

import base64
import ssl
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from broker.errors import ContractError
from device.enrolment.certificate_file import (
    FILE,
    HOME_FILE,
    KEY_FILE,
    TOLD_FILE,
    StoredCertificate,
    stored_in,
    use,
    with_header,
)
from device.enrolment.certificate_request import CertificateRequest
from device.enrolment.requesting import keep, next_key, request_for
from device.token_uri import reference_pem
from gateway.enrolment.authority import Authority, Life, Usage, make_intermediate, make_key, make_root
from gateway.enrolment.requests import read_request

NOW = datetime.now(UTC)
ROOT = make_root("Test", NOW)
OURS = make_intermediate(ROOT, "Test", NOW)


def order(folder: Path) -> CertificateRequest:
    return CertificateRequest("https://localhost", "root.pem", str(folder), "pi-1", "hw-1", {"model": "Raspberry Pi 4"})


def answer(name: str, key: CertificatePublicKeyTypes, by: Authority = OURS, beside: Authority = OURS) -> bytes:
    made = by.sign(name, key, Usage.CLIENT, Life.of(NOW, timedelta(days=30)))
    return base64.encodebytes(pkcs7.serialize_certificates([*beside.chain, made], Encoding.DER))


def test_what_is_asked_is_what_the_gateway_reads(tmp_path: Path) -> None:
    """Device, hardware and facts; with the same key until a certificate has come for it."""
    key = next_key(tmp_path)
    asked = read_request(request_for(order(tmp_path), key))
    assert (asked.device, asked.hardware, asked.facts) == ("pi-1", "hw-1", {"model": "Raspberry Pi 4"})
    assert next_key(tmp_path).public_key() == key.public_key() == asked.key
    keep(order(tmp_path), key, answer("pi-1~2", key.public_key()))
    assert next_key(tmp_path).public_key() != key.public_key()
    (tmp_path / KEY_FILE).write_bytes(b"half a k")
    assert next_key(tmp_path)


def test_key_certificate_and_chain_are_one_file_that_tls_takes(tmp_path: Path) -> None:
    """And that says of itself what the agent must know of it."""
    key = next_key(tmp_path)
    held = keep(order(tmp_path), key, answer("pi-1~2", key.public_key()))
    assert stored_in(tmp_path / FILE) == held
    assert (held.identity, held.hardware) == ("pi-1~2", "hw-1")
    assert (tmp_path / FILE).read_bytes().count(b"BEGIN CERTIFICATE") == 2
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(tmp_path / FILE)


def test_what_is_not_ours_is_not_kept(tmp_path: Path) -> None:
    """Another's name or key, one that none beside it has signed, and no certificates at all."""
    key, stranger = next_key(tmp_path), make_intermediate(make_root("Other", NOW), "Other", NOW)
    for content in (
        answer("pi-2", key.public_key()),
        answer("pi-10", key.public_key()),
        answer("pi-1", make_key().public_key()),
        answer("pi-1", key.public_key(), by=stranger),
        b"no base64!",
        base64.b64encode(b"no PKCS#7"),
    ):
        with pytest.raises(ContractError, match="certificate"):
            keep(order(tmp_path), key, content)
    assert stored_in(tmp_path / FILE) is None


def test_a_told_place_takes_away_no_certificate_that_home_believes(tmp_path: Path) -> None:
    """One of another authority stands beside home's, one that home believes in its place; none that ends at once."""
    home, stranger = tmp_path / "root.pem", make_intermediate(make_root("Other", NOW), "Other", NOW)
    home.write_bytes(ROOT.certificate.public_bytes(Encoding.PEM))
    told = replace(order(tmp_path), url="https://told", renew=True, home=str(home))
    ours = keep(order(tmp_path), key := next_key(tmp_path), answer("pi-1", key.public_key()))
    first = (tmp_path / FILE).read_bytes()
    for life in (timedelta(minutes=20), timedelta(minutes=59)):
        key = next_key(tmp_path)
        # by the clock as it is: a slow suite comes here long after this file was read
        now = datetime.now(UTC)
        short = OURS.sign("pi-1", key.public_key(), Usage.CLIENT, Life(now, now + life))
        content = base64.encodebytes(pkcs7.serialize_certificates([*OURS.chain, short], Encoding.DER))
        with pytest.raises(ContractError, match="less than 3600"):
            keep(told, key, content)
        assert (tmp_path / FILE).read_bytes() == first
    for _ in "ab":
        key = next_key(tmp_path)
        theirs = keep(told, key, answer("pi-1~7", key.public_key(), by=stranger, beside=stranger))
        assert (stored_in(tmp_path / FILE), (tmp_path / HOME_FILE).read_bytes()) == (theirs, first)
    for at_told, held in ((True, theirs), (False, ours), (False, ours), (True, theirs), (False, ours)):
        use(tmp_path, told=at_told)
        assert stored_in(tmp_path / FILE) == held
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(tmp_path / FILE)
    use(tmp_path, told=True)
    # cut off in the middle of the way home
    (tmp_path / FILE).replace(tmp_path / TOLD_FILE)
    use(tmp_path, told=False)
    assert (tmp_path / FILE).read_bytes() == first
    use(tmp_path, told=True)
    both = keep(told, key := next_key(tmp_path), answer("pi-1", key.public_key()))
    use(tmp_path, told=False)
    assert stored_in(tmp_path / FILE) == both, "home believes it, too"


def test_what_has_ended_does_not_take_the_place_of_what_is_there(tmp_path: Path) -> None:
    """A platform that gives such a one, or a stranger in its place, takes nobody's certificate away."""
    held = keep(order(tmp_path), key := next_key(tmp_path), answer("pi-1", key.public_key()))
    key = next_key(tmp_path)
    made = OURS.sign("pi-1", key.public_key(), Usage.CLIENT, Life(NOW - timedelta(days=9), NOW - timedelta(days=1)))
    ended = base64.encodebytes(pkcs7.serialize_certificates([*OURS.chain, made], Encoding.DER))
    with pytest.raises(ContractError, match="ended at"):
        keep(order(tmp_path), key, ended)
    assert stored_in(tmp_path / FILE) == held


def test_software_from_before_tokens_finds_no_certificate_whose_key_is_in_one(tmp_path: Path) -> None:
    """It then asks by its claim, where it could make no connection by this one; ours reads it as any other."""
    held = StoredCertificate("pi-1", "hw-1", NOW, NOW + timedelta(days=1))
    uri = "pkcs11:token=wattline;id=%01;type=private?pin-source=file:/etc/pin"
    (tmp_path / FILE).write_bytes(with_header(held, reference_pem(uri)))
    assert stored_in(tmp_path / FILE) == held
    identity, *_ = (tmp_path / FILE).read_text().splitlines()
    assert not identity.startswith("wattline-identity: ")


@pytest.mark.parametrize("text", ["", "wattline-identity: pi-1\n", "x\n" * 9, "\xff\xfe"])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    """The agent then asks anew."""
    (tmp_path / FILE).write_text(text, "latin-1")
    assert stored_in(tmp_path / FILE) is None


def test_the_process_ends_with_a_word_and_its_files_are_its_own(tmp_path: Path) -> None:
    """A gateway that is away is said in JSON; the key is readable by its owner only, whatever the umask was."""
    (tmp_path / "root.pem").write_bytes(ROOT.certificate.public_bytes(Encoding.PEM))
    asked = replace(order(tmp_path), url="https://127.0.0.1:9", authority=str(tmp_path / "root.pem"), token="secret")
    done = subprocess.run(
        [sys.executable, "-m", "device.enrolment"], input=asked.text(), capture_output=True, timeout=60, check=True
    )
    assert b'"result": "failed"' in done.stdout
    assert b"secret" not in done.stdout + done.stderr
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_the_agent_itself_carries_no_library_for_certificates() -> None:
    """It would take as much memory as the rest of the agent, for a moment once in weeks."""
    code = "import sys, device.service, device.__main__; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
