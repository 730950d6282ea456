"""Which key of which token: the setting as it is read, and as OpenSSL's provider is told it."""

import base64

import pytest
from pydantic import ValidationError

from device.settings import EnrolSettings
from device.token_uri import EXAMPLE, TokenUri, id_in, reference_pem

WITHOUT_QUERY = "pkcs11:token=wattline;object=device"
QUERY = "?module-path=/usr/lib/m.so&pin-source=/etc/pin"


def test_the_setting_is_read() -> None:
    """Order, percents and both forms of a file's name are as RFC 7512 has them."""
    found = TokenUri.parse(
        "pkcs11:object=a%20key;serial=0f;token=w%3Bl?pin-source=file:///run/pin&module-path=/usr/lib/m.so"
    )
    assert found == TokenUri("w;l", "a key", "/usr/lib/m.so", "/run/pin", "0f")
    assert TokenUri.parse(EXAMPLE).pin_file == "/etc/wattline/token.pin"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("/etc/wattline/device.key", "begins with pkcs11:"),
        (WITHOUT_QUERY, "module-path is missing"),
        (f"pkcs11:object=device{QUERY}", "token is missing"),
        (f"pkcs11:token=wattline{QUERY}", "object is missing"),
        (f"{WITHOUT_QUERY}?module-path=/usr/lib/m.so", "pin-source is missing"),
        (f"{WITHOUT_QUERY}{QUERY}&pin-value=1234", "write it into a file: pin-source"),
        (f"{WITHOUT_QUERY};slot-id=1{QUERY}", "'slot-id=1'"),
        (f"{WITHOUT_QUERY};token=other{QUERY}", "each once"),
        (f"pkcs11:token=wattline;object={'x' * 33}{QUERY}", "at most 32 bytes"),
        (f"{WITHOUT_QUERY}?module-path=m.so&pin-source=/etc/pin", "module-path is a file's path"),
        (f"{WITHOUT_QUERY}?module-path=/m.so%0Aactivate=0&pin-source=/etc/pin", "module-path is a file's path"),
        (f"{WITHOUT_QUERY}?module-path=/m.so&pin-source=|/bin/pin", "pin-source is a file's path"),
    ],
)
def test_what_is_wrong_with_it_is_said(text: str, says: str) -> None:
    """As the settings say it, which name the variable; a PIN in it is never repeated."""
    with pytest.raises(ValueError, match=says) as refused:
        TokenUri.parse(text)
    assert "1234" not in str(refused.value)
    with pytest.raises(ValidationError, match="key"):
        EnrolSettings(key=text)


@pytest.mark.parametrize("label", ["device", "x" * 32])
def test_a_reference_names_a_key_and_holds_none(label: str) -> None:
    """DER of a SEQUENCE of two texts, short or long; the id comes back, and no PIN is in it."""
    uri = TokenUri.parse(f"pkcs11:token=wattline;object={label}{QUERY}")
    text = uri.of_key(b"wattline\x00;%\xff")
    pem = reference_pem(text)
    assert id_in(b"wattline-identity: pi-1\n" + pem + b"-----BEGIN CERTIFICATE-----") == b"wattline\x00;%\xff"
    der = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    assert der.endswith(text.encode())
    size = len(der) - (2 if der[1] < 0x80 else 2 + (der[1] & 0x7F))
    assert size == (der[1] if der[1] < 0x80 else int.from_bytes(der[2 : 2 + (der[1] & 0x7F)]))
    assert text.endswith("type=private?pin-source=file:/etc/pin")


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"x" * 99])
def test_what_refers_to_no_token_has_its_key_itself(pem: bytes) -> None:
    """Or none."""
    assert id_in(pem) is None


def test_the_configuration_leaves_the_module_alone_at_the_end() -> None:
    """Without this SoftHSM ends each process by a segmentation fault."""
    text = TokenUri.parse(WITHOUT_QUERY + QUERY).configuration()
    assert "\npkcs11-module-path = /usr/lib/m.so\npkcs11-module-quirks = no-deinit" in text
