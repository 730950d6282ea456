"""The agent as the updater sees it: its /metrics, and the command that starts it anew."""

import contextlib
import socket
import subprocess
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog

from broker.errors import ContractError
from device import mailbox
from device.updater.health import Look, look_of

log = structlog.get_logger()

LOOK_S: Final = 3.0
RESTART_S: Final = 120.0
REACH_S: Final = 6.0
NODES_MAX: Final = 4
PAGE_MAX_BYTES: Final = 1024 * 1024


class LocalAgent:
    """The agent of this machine."""

    def __init__(self, url: str, restart: tuple[str, ...], broker: str, inbox: Path) -> None:
        self._inbox = inbox
        self._url = url
        self._restart = restart
        self._broker = broker

    def look(self) -> Look:
        """How it is now; an agent that does not answer is a look of nothing."""
        try:
            return look_of(_page(self._url))
        except (OSError, ValueError) as error:
            log.debug("agent_silent", reason=str(error))
            return Look()

    def restart(self) -> None:
        """Start it anew. What goes wrong is logged: the looks will tell."""
        try:
            done = subprocess.run(
                self._restart, capture_output=True, timeout=RESTART_S, check=False, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            log.error("agent_restart_failed", reason=str(error))  # noqa: TRY400 - the reason says all
            return
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-500:]
            log.error("agent_restart_failed", status=done.returncode, reason=said)

    def reachable(self) -> bool:
        """Whether the broker takes connections, where settings or the platform's last word say it is; or nobody said.

        An agent that lies of it can't make one unreachable that settings name, which is asked first. After REACH_S none
        is asked any more; a name that is being looked up then takes as long as the system's resolver lets it.
        """
        if not self._broker:
            return True
        try:
            told = mailbox.take_broker(self._inbox).split(",")[:NODES_MAX]
        except (ContractError, OSError):
            told = []
        until_s = time.monotonic() + REACH_S
        return any(_answers(node, until_s) for node in (self._broker, *told) if node)


def _page(url: str) -> str:
    """The agent's /metrics, whole within LOOK_S: one that trickles must not hold us. Raises OSError, ValueError."""
    place, until_s = urlsplit(url), time.monotonic() + LOOK_S
    with socket.create_connection((place.hostname or "", place.port or 80), timeout=LOOK_S) as line:
        line.sendall(b"GET /metrics HTTP/1.0\r\nHost: %b\r\n\r\n" % place.netloc.encode())
        found = bytearray()
        while len(found) < PAGE_MAX_BYTES:
            if (left_s := until_s - time.monotonic()) <= 0:
                raise TimeoutError(f"{url} has not answered in whole within {LOOK_S:.0f} s")
            line.settimeout(left_s)
            if not (piece := line.recv(65536)):
                break
            found += piece
    head, _, page = bytes(found).partition(b"\r\n\r\n")
    if head.split(b" ", 2)[1:2] != [b"200"]:
        raise ValueError(f"it answers {head[:80]!r}")
    return page.decode(errors="replace")


def _answers(node: str, until_s: float) -> bool:
    """Whether somebody takes connections at one of a node's addresses, asked before a time of the monotonic clock."""
    host, _, port = node.rpartition(":")
    if time.monotonic() >= until_s:
        return False
    try:
        places = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, ValueError, OverflowError):
        return False
    for family, kind, protocol, _, address in places:
        if (left_s := min(LOOK_S, until_s - time.monotonic())) <= 0:
            return False
        with contextlib.suppress(OSError, OverflowError), socket.socket(family, kind, protocol) as line:
            line.settimeout(left_s)
            line.connect(address)
            return True
    return False
