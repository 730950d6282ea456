"""How soon a connection whose other end is gone without a word is given up, here and by the server."""

import contextlib
import socket
from typing import Any, Final

from store.sql import Connection

IDLE_S: Final = 10
INTERVAL_S: Final = 5
COUNT: Final = 3
GONE_S: Final = IDLE_S + INTERVAL_S * COUNT
"""A peer that answers nothing for so long is gone: Linux would wait two hours for one of which nothing is expected."""

SERVER_SETTINGS: Final = {
    "tcp_keepalives_idle": str(IDLE_S),
    "tcp_keepalives_interval": str(INTERVAL_S),
    "tcp_keepalives_count": str(COUNT),
    "tcp_user_timeout": f"{GONE_S * 1000}",
}
"""For the server's end, which holds the locks of a client that is gone until it notices; no matter on a Unix socket."""
_OPTIONS: Final = (
    ("TCP_KEEPIDLE", IDLE_S),
    ("TCP_KEEPINTVL", INTERVAL_S),
    ("TCP_KEEPCNT", COUNT),
    ("TCP_USER_TIMEOUT", GONE_S * 1000),
)


async def watch_peer(connection: Connection) -> None:
    """Have the system notice within GONE_S that the server is gone; the pool calls it for each new connection."""
    # asyncpg keeps the transport to itself
    transport: Any = getattr(connection, "_transport", None)
    peer: socket.socket | None = transport.get_extra_info("socket") if transport is not None else None
    if peer is None or peer.family not in (socket.AF_INET, socket.AF_INET6):
        return
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS:
        # where the system lacks one, the others still help
        with contextlib.suppress(AttributeError, OSError):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
