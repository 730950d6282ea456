"""Whom X-Forwarded-For is believed from, and what of it."""

from ipaddress import ip_network

import pytest
from pydantic import SecretStr, ValidationError

from broker.proxies import Proxies
from gateway.settings import GatewaySettings

PROXIES = Proxies([ip_network("10.0.0.0/24"), ip_network("fd00::1")])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),  # no proxy of ours: what it says is nothing
        ("10.0.0.5", [], "10.0.0.5"),
        ("10.0.0.5", ["192.0.2.7"], "192.0.2.7"),
        ("10.0.0.5", ["198.51.100.1, 192.0.2.7"], "192.0.2.7"),  # the client wrote the first one itself
        ("10.0.0.5", ["198.51.100.1", "192.0.2.7, 10.0.0.9"], "192.0.2.7"),  # two proxies of ours
        ("10.0.0.5", ["10.0.0.9"], "10.0.0.9"),
        ("10.0.0.5", ["192.0.2.7, nonsense"], "10.0.0.5"),
        ("10.0.0.5", ["192.0.2.7:51234"], "192.0.2.7"),
        ("fd00::1", ["[2001:db8::7]:443"], "2001:db8::7"),
        ("::ffff:10.0.0.5", ["2001:db8::7"], "2001:db8::7"),
        ("unknown", ["192.0.2.7"], "unknown"),
    ],
)
def test_the_nearest_address_that_is_no_proxy_of_ours_asks(peer: str, forwarded: list[str], client: str) -> None:
    """However the header is forged, what stands behind the last proxy of ours decides."""
    assert PROXIES.client(peer, forwarded) == client


def test_proxies_are_given_with_commas() -> None:
    """Addresses and networks; a name or a host within a network is refused with what to do."""

    def given(value: str) -> GatewaySettings:
        return GatewaySettings.model_validate({"database_dsn": SecretStr("x"), "proxies": value})

    assert [str(one) for one in given("10.0.0.5, fd00::/64").proxies] == ["10.0.0.5/32", "fd00::/64"]
    assert given("").proxies == ()
    for wrong in ("proxy.example", "10.0.0.5/24"):
        with pytest.raises(ValidationError, match="addresses or networks with commas"):
            given(wrong)
