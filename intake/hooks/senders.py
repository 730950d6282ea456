"""Who posts: the address that is counted, and the names of the client certificate."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from aiohttp.web import BaseRequest

from broker.proxies import Network, Proxies
from broker.runtime.http_bounds import party

_party = lru_cache(maxsize=4096)(party)


class Senders:
    """Reads requests; what proxies say is believed of those that are named."""

    def __init__(self, proxies: Sequence[Network], name_header: str | None) -> None:
        self._proxies = Proxies(proxies) if proxies else None
        self._name_header = name_header

    def place(self, request: BaseRequest) -> str:
        """The address that a request counts for, or its network."""
        peer = request.remote or "unknown"
        if self._proxies is not None:
            peer = self._proxies.client(peer, request.headers.getall("X-Forwarded-For", ()))
        return _party(peer)

    def names(self, request: BaseRequest) -> tuple[str, ...]:
        """The names of the certificate that the sender proved to have; none where it showed none."""
        if self._name_header and self._proxies is not None and self._proxies.trusts(request.remote or ""):
            told = request.headers.get(self._name_header, "").strip()
            return (_common_name(told),) if told else ()
        transport = request.transport
        certificate = transport.get_extra_info("peercert") if transport is not None else None
        return certificate_names(certificate) if certificate else ()


def certificate_names(certificate: dict[str, Any]) -> tuple[str, ...]:
    """Common names, DNS and URI names of a verified certificate, as ssl's getpeercert tells it."""
    common = [value for part in certificate.get("subject", ()) for kind, value in part if kind == "commonName"]
    return (*common, *(value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "URI")))


def _common_name(told: str) -> str:
    """The common name of a subject in RFC 2253's form (`CN=a,O=b`), or what was told where it is a bare name."""
    for part in told.split(","):
        kind, is_pair, value = part.strip().partition("=")
        if is_pair and kind.strip().upper() == "CN":
            return value.strip()
    return told if "=" not in told else ""
