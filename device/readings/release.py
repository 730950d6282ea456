"""Frames that waited on disk, processed once it is known what to do with them."""

import asyncio
from dataclasses import replace
from typing import Final

from broker.errors import FrameError
from device.readings.ciphered import CipheredFrames, Held
from device.readings.context import Context
from device.readings.identity import PortIdentity
from device.readings.processing import Processing
from device.readings.routing import Route, Router
from device.readings.waiting_frames import WaitingFrame, WaitingFrames

SLICE: Final = 20
"""Frames that are processed in one go; then other tasks have their turn."""
NOT_DELETED_PAUSE_S: Final = 60.0
"""How long frames that can't be deleted are left alone: each release repeats them."""


class Release:
    """The way of one port's waiting frames off the disk; the file is emptied last."""

    def __init__(
        self,
        port: str,
        context: Context,
        meters: PortIdentity,
        router: Router,
        processing: Processing,
        waiting: WaitingFrames,
        ciphered: CipheredFrames,
    ) -> None:
        self._port = port
        self._context = context
        self._meters = meters
        self._router = router
        self._processing = processing
        self._waiting = waiting
        self._ciphered = ciphered
        self._again_s = float("-inf")

    async def run(self) -> None:
        """Process what need not wait on.

        Frames of a meter that was here before go with them: raw, unless it is known how to decode them.
        """
        current = self._meters.key
        if not current or self._context.monotonic() < self._again_s:
            return
        if all(self._router.must_wait(meter or current) for meter in self._waiting.meters):
            return
        # without a disk their readings would have no place to wait
        if not await self._context.make_durable():
            return
        kept: list[WaitingFrame] = []
        done = 0
        for n, frame in enumerate(list(self._waiting.read())):
            # asked for each of them: the configuration may change in the pauses
            key = frame.meter or self._meters.key
            if self._router.must_wait(key) or not self._release(replace(frame, meter=key)):
                kept.append(frame)
                continue
            done += 1
            if n % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        if done:
            await self._delete(kept, done)

    def _release(self, frame: WaitingFrame) -> bool:
        """Whether a frame is done with; else it waits on."""
        route: Route = self._router.route_waiting(frame.meter)
        try:
            found = self._ciphered.read(frame.frame, again=True)
            if isinstance(found, Held):
                # its key was taken back meanwhile
                self._processing.without_key(frame)
                return True
            return self._processing.process(frame, found[0], route, released=True)
        except FrameError as error:
            self._processing.undecodable(error, frame)
            return True

    async def _delete(self, kept: list[WaitingFrame], done: int) -> None:
        # what came of them must be in the outbox, and on the disk, before they go
        self._context.bundles.flush(self._context.monotonic(), 0)
        failure = "" if await self._context.make_durable() else "the outbox can't be written"
        try:
            if not failure:
                self._waiting.replace(kept)
        except OSError as error:
            failure = str(error)
        if failure:
            self._context.outgoing.event("held_frames_not_deleted", "error", port=self._port, error=failure)
            self._again_s = self._context.monotonic() + NOT_DELETED_PAUSE_S
            return
        self._context.metrics.held_frames.labels(self._port).set(self._waiting.count)
        self._context.outgoing.event("held_frames_released", meter=self._meters.key, port=self._port, frames=done)
