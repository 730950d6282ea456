"""What of a request takes long is done beside the event loop, so much at a time: all else is answered meanwhile."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar, TypeVarTuple

from gateway.faults import too_many

AT_ONCE: Final = 2
"""Works that run at a time, each in a thread of its own."""
WAITING: Final = 8
"""Requests that wait for a place; one more gets 429."""
RATE_PER_S: Final = 10.0
BURST: Final = 40
Parts = TypeVarTuple("Parts")
R = TypeVar("R")


class Gate:
    """Lets work in: RATE_PER_S with bursts, AT_ONCE running, WAITING in line; beyond that a refusal."""

    def __init__(self, *, at_once: int = AT_ONCE, waiting: int = WAITING, rate_per_s: float = RATE_PER_S,
                 burst: int = BURST) -> None:  # fmt: skip
        self._places = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._inside = 0
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = float(burst)
        self._filled_at = time.monotonic()

    async def run(self, work: Callable[[*Parts], R], *arguments: *Parts) -> R:
        """The result of a pure function, run in a thread. Raises Refusal."""
        self._admit()
        self._inside += 1
        try:
            async with self._places:
                task = asyncio.get_running_loop().run_in_executor(None, work, *arguments)
                try:
                    return await asyncio.shield(task)
                except asyncio.CancelledError:
                    # A thread can't be stopped: its place is free only once it has ended, and it ends soon.
                    await asyncio.wait([task])
                    raise
        finally:
            self._inside -= 1

    def _admit(self) -> None:
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate_per_s)
        self._filled_at = now
        if self._inside >= self._most:
            raise too_many(f"{self._inside} such requests are under way or waiting", 1)
        if self._tokens < 1:
            raise too_many(f"more than {self._rate_per_s:g} such requests a second", 1)
        self._tokens -= 1
