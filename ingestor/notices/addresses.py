"""Which addresses a channel may lead to: those of the world, and not those of the platform's own network."""

import ipaddress
from collections.abc import Iterable
from typing import Final

from broker.errors import PermanentError

FIX: Final = (
    "WATTLINE_WORKER_NOTICES_PRIVATE=true in /etc/wattline/worker.env, or wherever the worker has its settings, and "
    "its restart let channels reach private addresses"
)
_SHARED: Final = ipaddress.ip_network("100.64.0.0/10")
"""Of carriers, RFC 6598, which Python counts neither as private nor as global."""
_NAT64: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_SIX_TO_FOUR: Final = ipaddress.ip_network("2002::/16")


class ForbiddenAddressError(PermanentError):
    """A channel leads to where none may."""


def is_public(text: str) -> bool:
    """Whether an IP address is one of the world's; a scope (`%eth0`) makes it a link's own."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        if address.ipv4_mapped is not None:
            return is_public(str(address.ipv4_mapped))
        if address in _SIX_TO_FOUR or any(address in net for net in _NAT64):
            # an IPv4 address in other clothes, whichever it is
            return False
    elif address in _SHARED:
        return False
    return address.is_global and not address.is_multicast


def check(host: str, addresses: Iterable[str]) -> None:
    """See that all addresses of a host are the world's. Raises ForbiddenAddressError."""
    for address in addresses:
        if not is_public(address):
            raise ForbiddenAddressError(f"{host} is {address}, which is not an address of the world's; {FIX}")
