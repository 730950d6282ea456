"""The agent as the updater sees it: its /metrics, and the command that starts it anew."""

import http.client
import socket
import subprocess
import urllib.request
from typing import Final

import structlog

from device.updater.health import Look, look_of

log = structlog.get_logger()

LOOK_S: Final = 3.0
RESTART_S: Final = 120.0
PAGE_MAX_BYTES: Final = 1024 * 1024
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy of the environment is for what is fetched, and knows no agent of this machine."""


class LocalAgent:
    """The agent of this machine."""

    def __init__(self, url: str, restart: tuple[str, ...], broker: str) -> None:
        self._url = url
        self._restart = restart
        self._broker = broker

    def look(self) -> Look:
        """How it is now; an agent that does not answer is a look of nothing."""
        try:
            with _DIRECT.open(f"{self._url}/metrics", timeout=LOOK_S) as answer:
                return look_of(answer.read(PAGE_MAX_BYTES).decode(errors="replace"))
        except (OSError, ValueError, http.client.HTTPException) as error:
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
        """Whether the broker takes connections, or nobody said where it is."""
        if not self._broker:
            return True
        host, _, port = self._broker.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=LOOK_S):
                return True
        except OSError:
            return False
