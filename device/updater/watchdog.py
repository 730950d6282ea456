"""The service manager's watchdog: told that all is well for as long as the step in hand gets on (sd_notify(3))."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog

log = structlog.get_logger()

STALL_S: Final = 900.0
"""Longer than anything takes without a sign: each part of a slot's building has 600 s at most, or is given up."""
SHARE: Final = 3
"""So often within the watchdog's time it is told."""


class Watchdog:
    """Says that the updater is well until nothing has moved for `stall_s`; then the service manager ends it.

    Without a watchdog, as by hand, it says nothing.
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        stall_s: float = STALL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        asked, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        self._within_s = int(asked) / 1e6 if asked.isdigit() and pid in ("", str(os.getpid())) else 0.0
        self._stall_s = stall_s
        self._clock = clock
        self._moved_s = clock()

    def moved(self) -> None:
        """Something was done: a step ended, or a piece of one. From any thread."""
        self._moved_s = self._clock()

    @property
    def stalled(self) -> bool:
        """Whether nothing has moved for too long."""
        return self._clock() - self._moved_s >= self._stall_s

    async def run(self) -> None:
        """Tell until cancelled."""
        told = False
        while self._address and self._within_s:
            if not self.stalled:
                self._tell(b"WATCHDOG=1")
            elif not told:
                told = True
                log.error("step_hangs", for_s=round(self._clock() - self._moved_s), next="the service manager ends us")
            await asyncio.sleep(self._within_s / SHARE)

    def _tell(self, what: bytes) -> None:
        name = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            out.setblocking(False)
            out.sendto(what, name)
