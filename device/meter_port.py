"""What stands at one port: which meter it is, whether its spec is known, and what becomes of each frame until then."""

import asyncio
from dataclasses import replace
from datetime import datetime
from pathlib import PurePath
from typing import Final

from broker.errors import FrameError
from broker.messages import FrameReason
from device.bundles import FramesOf
from device.context import Context
from device.held import Held, HeldFrames
from device.reading import Reader
from device.registry import seen
from device.specimens import Specimens
from device.stamping import Received
from device.suppression import Suppression
from meters.identify import Identifier, Identity, sub_meters
from meters.readers import parse
from meters.spec import Spec
from meters.telegram import Frame, Telegram

NAMELESS_AFTER_S: Final = 15.0
NAMELESS_AFTER_TELEGRAMS: Final = 3
"""A meter that does not name itself so long gets a key bound to its port."""
SETTLE_SLICE: Final = 20


class MeterPort:
    """Takes the frames and failures of one port; survives swaps of the meter and of its protocol."""

    def __init__(self, port: str, context: Context) -> None:
        self.port = port
        self.key = ""
        self._context = context
        self._identifier = Identifier()
        self._reader = Reader(port, context)
        self._held = HeldFrames(
            context.settings.data_folder / "held", port, context.settings.held_limit_mib * 1024 * 1024
        )
        self._suppression = Suppression(context.settings.bad_frames_per_minute, context.monotonic)
        self._specimens = Specimens(context.monotonic)
        self._protocol = ""
        self._nameless_since: float | None = None
        self._nameless = 0
        self._last_key = ""
        self._tapped_until_s = 0.0
        self.hurried = False
        """Whether a polled meter is to be asked out of turn."""
        context.metrics.held_frames.labels(port).set(self._held.count)

    def hurry(self) -> None:
        """Read the meter now: a polled one out of turn, and the next telegram of any whatever the interval."""
        self.hurried = self._reader.hurried = True

    def tap(self, for_s: float) -> None:
        """Publish each good frame raw for so long from now."""
        self._tapped_until_s = self._context.monotonic() + for_s

    @property
    def tapped(self) -> bool:
        """Whether each good frame is published raw."""
        return self._context.monotonic() < self._tapped_until_s

    def identify_anew(self) -> None:
        """Forget what telegrams told of the meter, so that they tell it again."""
        self._identifier = Identifier()
        self._nameless_since, self._nameless = None, 0

    @property
    def spec(self) -> Spec | None:
        """The spec in force for the meter at this port."""
        return self._spec_of(self.key)

    def _spec_of(self, key: str) -> Spec | None:
        config = self._context.config.meter(key) if key else None
        return self._context.specs.get(config.spec) if config is not None and config.spec is not None else None

    def take(self, frame: Frame, at: datetime) -> bool:
        """Take a good frame; whether its telegram could be read."""
        self._protocol = str(frame.protocol)
        try:
            telegram = parse(frame)
        except FrameError as error:
            self.fail(error, at, reason=FrameReason.UNDECODABLE, data=frame.data)
            return False
        self._context.metrics.frames.labels(self._protocol, "good").inc()
        self._identify(telegram)
        self._context.pulse.heard(self.key)
        if self.tapped:
            self._publish_raw(Held(at, self._context.clock.trust(), self.key, frame), FrameReason.REQUESTED)
        received = Received(at, self._context.clock.trust())
        self._dispatch(Held(at, received.clock, self.key, frame), telegram, self._fate(self.key))
        return True

    def fail(
        self,
        error: FrameError,
        at: datetime,
        *,
        reason: FrameReason = FrameReason.BAD_FRAME,
        data: bytes = b"",
        key: str | None = None,
        spec: Spec | None = None,
    ) -> None:
        """Take a bad or undecodable frame: the first few of each minute are published, all are counted.

        `spec` is the one that could not decode it.
        """
        context = self._context
        context.metrics.frames.labels(self._protocol or "unknown", error.reason).inc()
        octets = error.data or data
        if not octets:
            return
        if not self._suppression.admit(error.reason):
            context.metrics.frames_suppressed.labels(self.port, reason).inc()
            return
        hints = {"detail": error.detail, "spec": spec.ref if spec else "", **self._suppressed_hint()}
        context.outgoing.frames(
            reason,
            self.port,
            self._protocol or "unknown",
            [(at, octets, error.reason)],
            meter=self.key if key is None else key,
            hints={name: text for name, text in hints.items() if text},
        )

    def upkeep(self) -> None:
        """Tell of suppressed frames once their minute is over; call it about once a second."""
        self._reader.upkeep()
        if self._suppression.overdue:
            counted = self._suppression.take_counted()
            self._context.outgoing.event("frames_suppressed", "warning", meter=self.key, port=self.port, **counted)

    def take_unsynced(self) -> list[int]:
        """Descriptors of held frames to be synced."""
        return self._held.take_unsynced()

    async def settle(self) -> None:
        """Decode or publish held frames once it is known what to do with them; the file is emptied last.

        Those of a meter that stood here before go with them: raw, unless it is known how to decode them.
        """
        if not self._held.count or not self.key or self._fate(self.key) == "hold" or self._context.undecided(self.key):
            return
        # without a disk their readings would have no place to wait
        if not await self._context.make_durable():
            return
        kept: list[Held] = []
        done = 0
        for n, held in enumerate(list(self._held.read())):
            # asked for each of them: the configuration may change in the pauses
            fate = self._fate_of_held(held.meter or self.key)
            if fate == "hold":
                kept.append(held)
                continue
            self._release(held, fate)
            done += 1
            if n % SETTLE_SLICE == SETTLE_SLICE - 1:
                await asyncio.sleep(0)
        if done:
            await self._forget_released(kept, done)

    async def _forget_released(self, kept: list[Held], done: int) -> None:
        # what came of them must be in the outbox, and on the disk, before they go
        self._context.bundles.flush(self._context.monotonic(), 0)
        failure = "" if await self._context.make_durable() else "the outbox can't be written"
        try:
            if not failure:
                self._held.replace(kept)
        except OSError as error:
            failure = str(error)
        if failure:
            self._context.outgoing.event("held_frames_not_deleted", "error", port=self.port, error=failure)
        self._context.metrics.held_frames.labels(self.port).set(self._held.count)
        self._context.outgoing.event("held_frames_released", meter=self.key, port=self.port, frames=done)

    def _release(self, held: Held, fate: str) -> None:
        held = replace(held, meter=held.meter or self.key)
        try:
            self._dispatch(held, parse(held.frame), fate, released=True)
        except FrameError as error:
            self.fail(error, held.at, reason=FrameReason.UNDECODABLE, data=held.frame.data, key=held.meter)

    def _fate(self, key: str) -> str:
        """`decode`, `raw` (the platform has no spec), or `hold` (it has not spoken, or the spec is on its way)."""
        config = self._context.config.meter(key) if key else None
        if config is None:
            return "hold"
        if config.spec is None:
            return "raw"
        return "decode" if self._spec_of(key) is not None else "hold"

    def _fate_of_held(self, key: str) -> str:
        """The same, but nothing is heard any more of a meter that is gone: its frames are left to the platform."""
        gone = key != self.key and self._context.config.meter(key) is None
        return "raw" if gone else self._fate(key)

    def _dispatch(self, held: Held, telegram: Telegram, fate: str, *, released: bool = False) -> None:
        received = Received(held.at, held.clock)
        spec = self._spec_of(held.meter)
        if fate == "decode" and spec is not None:
            try:
                self._reader.read(held.meter, spec, telegram, received, held=released)
            except FrameError as error:
                if not released and self._context.undecided(held.meter) and self._hold(held):
                    # the spec in force may be undone, and the one before it can read this
                    return
                if spec.generic:
                    # an unknown product: its frames are its history, which a spec of its own will read
                    self._keep_raw(held, received)
                else:
                    data, key = held.frame.data, held.meter
                    self.fail(error, held.at, reason=FrameReason.UNDECODABLE, data=data, key=key, spec=spec)
            else:
                asked = released or self._context.config.parameters.raw_frames
                if spec.generic and not asked and self._specimens.due(held.meter):
                    self._publish_raw(held)
        elif fate != "hold" or not self._hold(held):
            self._keep_raw(held, received)

    def _hold(self, held: Held) -> bool:
        if not self._held.add(held):
            return False
        self._context.metrics.held_frames.labels(self.port).set(self._held.count)
        return True

    def _keep_raw(self, held: Held, received: Received) -> None:
        if self._reader.wants_raw(held.meter or self.port, received):
            self._publish_raw(held)
        else:
            self._context.metrics.frames_suppressed.labels(self.port, FrameReason.NO_SPEC).inc()

    def _publish_raw(self, held: Held, reason: FrameReason = FrameReason.NO_SPEC) -> None:
        of = FramesOf(reason, self.port, str(held.frame.protocol), held.meter)
        self._context.bundles.add_frame(of, held.at, held.frame.data, self._context.monotonic())

    def _identify(self, telegram: Telegram) -> None:
        identity = self._identifier.add(telegram)
        key = identity.key or self._bound_key(identity)
        if identity.key:
            self._nameless_since, self._nameless = None, 0
        if key and self._last_key and key != self._last_key:
            self._context.outgoing.event(
                "meter_changed", "warning", meter=key, old=self._last_key, new=key, port=self.port
            )
        if key:
            self._last_key = key
        self.key = key
        if key:
            self._context.registry.see(self.port, seen(self.port, key, identity, sub_meters(telegram)))

    def _bound_key(self, identity: Identity) -> str:
        now_s = self._context.monotonic()
        if self._nameless_since is None:
            self._nameless_since = now_s
        self._nameless += 1
        if self._nameless < NAMELESS_AFTER_TELEGRAMS or now_s - self._nameless_since < NAMELESS_AFTER_S:
            return ""
        name = "".join(c for c in PurePath(self.port).name if "!" <= c <= "~")
        return f"{identity.manufacturer or 'UNK'}:{self._context.device}/{name}"[:96]

    def _suppressed_hint(self) -> dict[str, str]:
        counted = self._suppression.take_counted()
        return {"suppressed": ", ".join(f"{n} {reason}" for reason, n in sorted(counted.items()))} if counted else {}
