"""Where a token can't be used: what the processes say that ask it, and what the agent says then."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from device.enrolment.certificate_file import FILE, HOME_FILE, TOLD_FILE
from device.enrolment.certificate_request import CertificateRequest
from device.enrolment.token_key import in_use
from device.token.order import AgentToken
from device.token.watch import TokenWatch
from device.token_uri import TokenUri, reference_pem

URI = "pkcs11:token=wattline;object=device?module-path={module}&pin-source={pin}"


def uri(folder: Path, module: str = "/nowhere/libtoken.so") -> str:
    """A token whose module is not installed; its PIN is."""
    (folder / "pin").write_text("123456\n")
    return URI.format(module=module, pin=folder / "pin")


def certificate(folder: Path, of: str) -> Path:
    """A certificate's file that refers to a key in a token."""
    (folder / FILE).write_bytes(reference_pem(TokenUri.parse(of).of_key(b"wattline1")))
    return folder / FILE


def test_the_keys_of_home_and_of_a_told_place_stay_in_the_token(tmp_path: Path) -> None:
    """Both certificates are on disk while the device is at either, and each stands on its key."""
    of = TokenUri.parse(uri(tmp_path))
    for number, name in enumerate((FILE, HOME_FILE, TOLD_FILE), 1):
        (tmp_path / name).write_bytes(reference_pem(of.of_key(b"wattline%d" % number)))
    assert in_use(tmp_path) == (b"wattline1", b"wattline2", b"wattline3")
    (tmp_path / HOME_FILE).unlink()
    (tmp_path / TOLD_FILE).unlink()
    assert in_use(tmp_path) == (b"wattline1", None, None)


async def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """The setting, its part, and the file."""
    of = uri(tmp_path)
    card = certificate(tmp_path, of)
    said = (await AgentToken(of, card).seen()).fault
    assert said.startswith("WATTLINE_DEVICE_ENROL__KEY: module-path: /nowhere/libtoken.so: ")
    assert "install the token's PKCS#11 module" in said
    (tmp_path / "pin").write_text("\n")
    assert "pin is empty" in (await AgentToken(of, card).seen()).fault
    (tmp_path / "pin").unlink()
    assert "No such file" in (await AgentToken(of, card).seen()).fault


def test_without_openssl_s_provider_it_says_which_package_is_missing(tmp_path: Path) -> None:
    """As Debian 12 has none: no key is made that nothing could show, and the claim's token is repeated nowhere."""
    order = CertificateRequest(
        "https://127.0.0.1:9", "root.pem", str(tmp_path), "pi-1", "hw-1", {}, "claim", "secret", key=uri(tmp_path)
    )
    done = subprocess.run(
        [sys.executable, "-P", "-m", "device.enrolment"],
        input=order.text(), capture_output=True, timeout=60, check=True,
        env={**os.environ, "OPENSSL_MODULES": "/nowhere"},
    )  # fmt: skip
    assert b'"result": "failed"' in done.stdout
    assert b"apt-get install pkcs11-provider, Debian 12 has none" in done.stdout
    assert b"secret" not in done.stdout + done.stderr


async def test_a_fault_is_told_once_and_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects waits; the log has one line for each reason."""
    monkeypatch.setattr("device.token.watch.load_provider", lambda *_: None)
    of = uri(tmp_path)
    watch = TokenWatch(of, certificate(tmp_path, of))
    with structlog.testing.capture_logs() as lines:
        assert [await watch.usable(), await watch.usable()] == [False, False]
    assert [line["event"] for line in lines] == ["token_unusable"]
    assert "libtoken.so" in watch.fault
    assert not watch.key_is_gone
    assert 0 < watch.pause_s() <= 60
