"""What services are told of the broker."""

import pytest
from pydantic import SecretStr

from broker.errors import PermanentError
from broker.runtime.settings import BrokerAddress, is_loopback


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("[::1]", True), ("LocalHost", True),
     ("0.0.0.0", False), ("192.0.2.1", False), ("broker", False), ("127.0.0.1.example.org", False), ("", False)],
)  # fmt: skip
def test_what_is_this_machine(host: str, loopback: bool) -> None:
    """Addresses of the loopback, and localhost; a name that only looks like it is not believed."""
    assert is_loopback(host) is loopback


def test_a_password_leaves_the_machine_with_tls_only() -> None:
    """Without TLS to another host, also to one of several nodes, it is refused with the field and the fix."""
    secret = SecretStr("word")
    for host in ("broker", "127.0.0.1,192.0.2.1:1884"):
        with pytest.raises(
            PermanentError, match=r"^tls_ca: the password would go to (broker|192\.0\.2\.1) .*PLAINTEXT=true"
        ):
            BrokerAddress(host=host, password=secret).check_plaintext()
        BrokerAddress(host=host, password=secret, plaintext=True).check_plaintext()
        BrokerAddress(host=host).check_plaintext()
        BrokerAddress(host=host, password=SecretStr("")).check_plaintext()
    BrokerAddress(host="127.0.0.1,localhost", password=secret).check_plaintext()
