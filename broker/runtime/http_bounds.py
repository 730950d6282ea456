"""How many connections an HTTP server holds, in all and from one address: what is beyond is answered 503 and closed.

A connection counts from its first packet, so that TLS handshakes that never end are bounded, too.
"""

import asyncio
import json
import resource
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any, Final, cast

import structlog

RESERVED_FILES: Final = 100
"""Open files left for the database, the broker, logs and what a request reads."""
LEAST: Final = 16
LOG_EVERY_S: Final = 60.0
HANDSHAKE_S: Final = 10.0
"""A client that has not finished its TLS handshake within so long is cut off."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ConnectionBounds:
    """How many connections are held at once."""

    total: int = 200
    """In all."""
    each: int = 100
    """From one address, or one IPv6 network of 64 bits, which is one customer's."""
    free: Callable[[str], bool] = lambda _: False
    """Addresses from which there may be more: a proxy's connections are all its clients'."""
    listeners: int = 1
    """Servers of this process that hold as many each."""

    def within(self, files: int) -> "ConnectionBounds":
        """The same for a process that may open so many files: its servers together never take the last of them."""
        total = max(LEAST, min(self.total, (files - RESERVED_FILES) // self.listeners))
        return replace(self, total=total, each=min(self.each, total))


def open_files() -> int:
    """How many files this process may open (RLIMIT_NOFILE); a number without end is a great one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 2**31


def party(address: str) -> str:
    """Whom an address stands for where callers are counted: an IPv6 customer has 2^64 of them. Pure."""
    try:
        given = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(given, IPv4Address):
        return str(given)
    if given.ipv4_mapped is not None:
        return str(given.ipv4_mapped)
    return address if given.is_loopback else str(ip_network((int(given), 64), strict=False))


class BoundedServer:
    """A protocol factory before another one; counts the connections that are open, and does their TLS."""

    def __init__(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        bounds: ConnectionBounds,
        refused: Callable[[str], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._factory = factory
        self._bounds = bounds
        self._refused = refused
        self.tls = tls
        self._handshakes: set[asyncio.Task[None]] = set()
        self._open: Counter[str] = Counter()
        self._logged_at = float("-inf")

    def __call__(self) -> asyncio.Protocol:
        """A protocol for one connection."""
        return _Bounded(self, cast("asyncio.Protocol", self._factory()))

    def enter(self, address: str, peer: str) -> str:
        """Count a connection of `peer` for the party that it stands for; returns why it can't be, or nothing."""
        if self._open.total() >= self._bounds.total:
            reason, bound = "total", self._bounds.total
        elif self._open[address] >= self._bounds.each and not self._bounds.free(peer):
            reason, bound = "address", self._bounds.each
        else:
            self._open[address] += 1
            return ""
        self._refused(reason)
        now = asyncio.get_running_loop().time()
        if now - self._logged_at >= LOG_EVERY_S:
            # once a minute: a flood must not become one of the log
            self._logged_at = now
            log.warning("http_connections_refused", reason=reason, bound=bound, address=address)
        return f"{bound} connections are open {'already' if reason == 'total' else 'from this address'}; close some"

    def leave(self, address: str) -> None:
        """A connection is gone."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    def begin(self, handshake: Coroutine[Any, Any, None]) -> None:
        """Do a handshake beside the others; each ends within HANDSHAKE_S, and all with the server."""
        task = asyncio.get_running_loop().create_task(handshake, name="http.handshake")
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    def failed(self) -> None:
        """A handshake failed: a client that does not trust us, one that speaks plain HTTP, or none at all."""
        self._refused("handshake")

    def close(self) -> None:
        """End the handshakes that are under way."""
        for task in self._handshakes:
            task.cancel()


class _Bounded(asyncio.Protocol):
    """One connection: handed through, or answered 503 at once."""

    def __init__(self, server: BoundedServer, inner: asyncio.Protocol) -> None:
        self._server = server
        self._inner: asyncio.Protocol | None = inner
        self._address = ""
        self._early: list[bytes] | None = None
        """What came right behind a handshake, before the protocol had its connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = (transport.get_extra_info("peername") or ("unknown",))[0]
        self._address = party(peer)
        refusal = self._server.enter(self._address, peer)
        given = cast("asyncio.Transport", transport)
        if refusal:
            self._inner = None
            if self._server.tls is None:
                given.write(_unavailable(refusal))
            given.close()
        elif self._server.tls is not None:
            # what is read from here on belongs to the handshake
            given.pause_reading()
            self._early = []
            self._server.begin(self._secure(given, self._server.tls))
        elif self._inner is not None:
            self._inner.connection_made(transport)

    async def _secure(self, plain: asyncio.Transport, tls: ssl.SSLContext) -> None:
        """Do the handshake and hand the connection through; a failed one is closed and no longer counted."""
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(
                plain, self, tls, server_side=True, ssl_handshake_timeout=HANDSHAKE_S, ssl_shutdown_timeout=1.0
            )
        except BaseException as error:
            plain.abort()
            self._inner = None
            self._server.leave(self._address)
            if isinstance(error, OSError):
                self._server.failed()
                return
            raise
        early, self._early = self._early or [], None
        if self._inner is not None and secured is not None:
            self._inner.connection_made(secured)
            for data in early:
                self._inner.data_received(data)

    def data_received(self, data: bytes) -> None:
        if self._early is not None:
            self._early.append(data)
        elif self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._inner is not None:
            self._server.leave(self._address)
            self._inner.connection_lost(exc)


def _unavailable(detail: str) -> bytes:
    document = {"title": "Service Unavailable", "status": 503, "detail": detail}
    body = json.dumps(document).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: 10\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
