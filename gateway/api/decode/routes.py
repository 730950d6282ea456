"""The route that says what pasted bytes mean. It stores nothing, and works beside the event loop within bounds."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar, TypeVarTuple

from gateway.api.decode.decoding import answer
from gateway.api.decode.models import DecodeAnswer, DecodeQuery, DecodeRequest
from gateway.api.route import Answer, Call, Route
from gateway.desired.change import Configuration
from gateway.faults import too_many
from gateway.roles import Role

AT_ONCE: Final = 2
"""Decodings that run at a time, each in a thread of its own."""
WAITING: Final = 8
"""Requests that wait for a place; one more gets 429."""
RATE_PER_S: Final = 10.0
BURST: Final = 40
Parts = TypeVarTuple("Parts")
R = TypeVar("R")


class Gate:
    """Lets decodings in: RATE_PER_S with bursts, AT_ONCE running, WAITING in line; beyond that a refusal."""

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
            raise too_many(f"{self._inside} decodings are under way or waiting", 1)
        if self._tokens < 1:
            raise too_many(f"more than {self._rate_per_s:g} decodings a second", 1)
        self._tokens -= 1


class DecodeRoutes:
    """Decoding of pasted bytes by the published specs."""

    def __init__(self, configuration: Configuration, gate: Gate | None = None) -> None:
        self._configuration = configuration
        self._gate = gate or Gate()

    def routes(self) -> list[Route]:
        """The routes served here."""
        summary = (
            "What bytes of a meter mean: as JSON, or as the body itself (bytes, or a dump as text). Nothing is stored."
        )
        return [
            Route("POST", "/decode", "decode", summary, self.decode, DecodeAnswer, DecodeQuery, DecodeRequest,
                  media=("application/json",), role=Role.VIEWER),
        ]  # fmt: skip

    async def decode(self, call: Call) -> Answer:
        """POST /decode."""
        asked = (call.body, call.query, call.content_type)
        return Answer(await self._gate.run(answer, *asked, self._configuration.catalogue))
