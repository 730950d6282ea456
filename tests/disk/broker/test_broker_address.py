"""How an address and an authority may be written as parameters, and what is refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from broker.contract.address import authority_pem
from broker.contract.messages import Parameters
from tests.rigs.certificates import Authority


def test_an_authority_is_the_same_however_its_lines_end(tmp_path: Path) -> None:
    """PEM, PEM in one line as a form sends it, the bare base64: one text, and the file again."""
    pem = Authority(tmp_path).certificate.read_text()
    bare = Parameters(broker_authority=pem).broker_authority
    assert bare == Parameters(broker_authority=pem.replace("\n", "")).broker_authority
    assert bare == Parameters(broker_authority=bare).broker_authority
    assert Parameters(broker_authority=pem + pem).broker_authority == f"{bare},{bare}"
    assert authority_pem(bare).split() == pem.split()


@pytest.mark.parametrize(
    "value", ["broker_1", "b.example.:8883", "[2001:db8::1]:8883,2001:db8::2", "192.0.2.1:1", "Broker.Example:65535"]
)
def test_names_and_addresses_of_all_kinds_are_taken(value: str) -> None:
    """In small letters, as they are compared."""
    assert Parameters(broker_address=value).broker_address == value.lower()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("broker_address", "a b:c", "no host or host:port"),
        ("broker_address", "host:99999", "no host or host:port"),
        ("broker_address", "one,,two", "no host or host:port"),
        ("broker_address", "a..b:8883", "no host or host:port"),
        ("broker_address", f"{'x' * 64}.example", "no host or host:port"),
        ("broker_address", ".".join(["x" * 60] * 5), "no host or host:port"),
        ("broker_address", "h:0655351", "no host or host:port"),
        ("broker_address", "\u0130" * 600, "no host or host:port"),
        ("broker_address", "-h.example", "no host or host:port"),
        ("broker_authority", "none at all", "no certificate"),
        ("broker_authority", "AAAA", "no certificate"),
        ("enrol_url", "http://plain.example", "pattern"),
    ],
)
def test_what_is_no_address_is_refused(name: str, value: str, said: str) -> None:
    """In words that tell what to write."""
    with pytest.raises(ValidationError, match=said):
        Parameters(**{name: value})  # type: ignore[arg-type]
