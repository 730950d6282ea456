"""Which proxies are believed, and whom they speak for."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
_FIX: Final = "give addresses or networks with commas, as 10.0.0.5,192.168.7.0/24"


def networks_of(value: object) -> tuple[Network, ...]:
    """Networks as a setting has them: a text with commas, or a list. Raises ValueError that says how it is written."""
    parts = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError(_FIX)  # noqa: TRY004 - what pydantic takes for a refusal
    try:
        return tuple(ip_network(part) for part in parts)
    except ValueError as error:
        raise ValueError(f"{error}; {_FIX}") from error


class Proxies:
    """The addresses from which X-Forwarded-For and X-Forwarded-Proto are believed; from others they are nothing."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)

    def trusts(self, address: str) -> bool:
        """Whether an address is a proxy's of ours."""
        found = _address(address)
        return found is not None and any(found in network for network in self._networks)

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """Who asks: the nearest address that is no proxy of ours. Pure.

        `forwarded` are the X-Forwarded-For headers in their order; each proxy appends whom it heard, so that what the
        client wrote itself stands before what the first proxy of ours wrote, and counts for nothing.
        """
        client = peer
        hops = [hop.strip() for header in forwarded for hop in header.split(",")]
        while hops and self.trusts(client):
            named = _address(hops.pop())
            if named is None:
                break
            client = str(named)
        return client


def _address(text: str) -> Address | None:
    """An address, also with a port behind; one of IPv4 in IPv6's clothes as what it is."""
    host = text.partition("%")[0]
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ip_address(host)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
