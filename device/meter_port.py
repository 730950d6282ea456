"""What becomes of each frame of one port: decoded by its meter's spec, held until that is known, or published raw."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Final

from broker.errors import FrameError
from broker.messages import Clock, FrameReason
from device.context import Context
from device.gathered import FramesOf
from device.held import Held, HeldFrames
from device.line import LineSettings
from device.port_identity import PortIdentity
from device.reading import Reader
from device.specimens import Specimens
from device.suppression import Suppression
from meters.readers import parse
from meters.spec import Spec
from meters.stamping import Received
from meters.telegram import Frame, Telegram

SETTLE_SLICE: Final = 20
NOT_DELETED_PAUSE_S: Final = 60.0
"""How long frames that can't be deleted are left alone: each release repeats them."""
FAILING_AFTER: Final = 5
"""Bad frames in a row that are more than noise."""


class MeterPort:
    """Takes the frames and failures of one port; survives swaps of the meter and of its protocol, and shared lines."""

    def __init__(self, port: str, context: Context) -> None:
        self.port = port
        self._context = context
        self._meters = PortIdentity(port, context)
        self._reader = Reader(port, context)
        self._held = HeldFrames(
            context.settings.data_folder / "held", port, context.settings.held_limit_mib * 1024 * 1024
        )
        self._suppression = Suppression(context.settings.bad_frames_per_minute, context.monotonic)
        self._specimens = Specimens(context.monotonic)
        self._protocol = ""
        self._bad_in_a_row = 0
        self._settle_again_s = float("-inf")
        self._tapped_until_s = 0.0
        self._tried: dict[str, int] = {}
        """By meter: the revision of the configuration by which its held frames could not be read yet."""
        self._crc_told: set[tuple[str, str]] = set()
        self.hurried = False
        """Whether a polled meter is to be asked out of turn."""
        context.metrics.held_frames.labels(port).set(self._held.count)
        context.metrics.held_damaged_bytes.labels(port).set(self._held.damaged_bytes)
        if self._held.damaged_bytes:
            context.outgoing.event("held_frames_damaged", "warning", port=port, bytes=self._held.damaged_bytes)

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

    def on_line(self, settings: LineSettings) -> None:
        """Note by which line settings the frames come that follow."""
        self._meters.line = str(settings)

    def identify_anew(self) -> None:
        """Forget what telegrams told of the meter, so that they tell it again."""
        self._meters.forget()

    @property
    def key(self) -> str:
        """The meter of the last telegram, '' while it has not named itself."""
        return self._meters.key

    def spec_of(self, key: str) -> Spec | None:
        """The spec in force for a meter at this port."""
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
        if self._bad_in_a_row >= FAILING_AFTER and self.key:
            self._context.outgoing.event("frames_recovered", meter=self.key, port=self.port)
        self._bad_in_a_row = 0
        try:
            key = self._meters.take(telegram, at, self.spec_of)
        except FrameError as error:
            self.fail(error, at, reason=FrameReason.UNDECODABLE, key="")
            return True
        self._context.pulse.heard(key)
        self._tell_crc(key, frame.crc)
        if self.tapped:
            self._publish_raw(Held(at, self._context.clock.trust(), key, frame), FrameReason.REQUESTED)
        self._dispatch(Held(at, self._context.clock.trust(), key, frame), telegram, self._fate(key))
        return True

    def fail(
        self,
        error: FrameError,
        at: datetime,
        *,
        reason: FrameReason = FrameReason.BAD_FRAME,
        data: bytes = b"",
        key: str | None = None,
        clock: Clock | None = None,
        spec: Spec | None = None,
    ) -> None:
        """Take a bad or undecodable frame: the first few of each minute are published, all are counted.

        `at` is by the device's clock of now, or of then where `clock` says how it stood. `spec` is the one that could
        not decode it.
        """
        context = self._context
        context.metrics.frames.labels(self._protocol or "unknown", error.reason).inc()
        octets = error.data or data
        if not octets:
            return
        if reason is FrameReason.BAD_FRAME:
            self._failing(error)
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
            clock=clock or context.clock.trust(),
            hints={name: text for name, text in hints.items() if text},
        )

    def _tell_crc(self, key: str, crc: str) -> None:
        """Tell once of a meter that states another CRC than the usual one, where its spec does not name it."""
        spec = self.spec_of(key)
        if crc and spec is not None and crc not in spec.decode.crc and (key, crc) not in self._crc_told:
            self._crc_told.add((key, crc))
            self._context.outgoing.event(
                "crc_variant", meter=key, port=self.port, crc=crc, spec=spec.ref,
                fix=f"a spec with decode.crc: {crc} reads it from the first telegram on",
            )  # fmt: skip

    def _failing(self, error: FrameError) -> None:
        """Tell once of a meter that was read and whose frames all fail now: its check may be another one."""
        self._bad_in_a_row += 1
        if self._bad_in_a_row == FAILING_AFTER and self.key:
            self._context.outgoing.event(
                "frames_failing", "error", meter=self.key, port=self.port, reason=error.reason, detail=error.detail
            )

    def upkeep(self) -> None:
        """Tell of suppressed frames once their minute is over; call it about once a second."""
        self._reader.upkeep()
        self._meters.upkeep()
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
        if self._context.monotonic() < self._settle_again_s:
            return
        if not self.key or all(self._waits(meter or self.key) for meter in self._held.meters):
            return
        # without a disk their readings would have no place to wait
        if not await self._context.make_durable():
            return
        kept: list[Held] = []
        done = 0
        for n, held in enumerate(list(self._held.read())):
            # asked for each of them: the configuration may change in the pauses
            key = held.meter or self.key
            if self._waits(key) or not self._release(held, self._fate_of_held(key)):
                kept.append(held)
                continue
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
            self._settle_again_s = self._context.monotonic() + NOT_DELETED_PAUSE_S
            return
        self._context.metrics.held_frames.labels(self.port).set(self._held.count)
        self._context.outgoing.event("held_frames_released", meter=self.key, port=self.port, frames=done)

    def _release(self, held: Held, fate: str) -> bool:
        """Whether a held frame is dealt with; else it waits on."""
        held = replace(held, meter=held.meter or self.key)
        try:
            return self._dispatch(held, parse(held.frame), fate, released=True)
        except FrameError as error:
            self._undecodable(error, held)
            return True

    def _fate(self, key: str) -> str:
        """`decode`, `raw` (the platform has no spec), or `hold` (it has not spoken, or the spec is on its way)."""
        config = self._context.config.meter(key) if key else None
        if config is None:
            return "hold"
        if config.spec is None:
            return "raw"
        if self._meters.doubts(key, config.spec):
            return "hold"
        return "decode" if self.spec_of(key) is not None else "hold"

    def _fate_of_held(self, key: str) -> str:
        """The same, but nothing is heard any more of a meter that is gone: its frames are left to the platform."""
        gone = key != self.key and key not in self._meters and self._context.config.meter(key) is None
        return "raw" if gone else self._fate(key)

    def _waits(self, key: str) -> bool:
        """Whether held frames of a meter must wait on: for its spec, or as what is on trial can't read them."""
        if self._fate_of_held(key) == "hold":
            return True
        return self._context.undecided(key) and self._tried.get(key) == self._context.revision

    def _dispatch(self, held: Held, telegram: Telegram, fate: str, *, released: bool = False) -> bool:
        """Whether the frame is dealt with: one that was released may have to wait on."""
        # what was held was stamped by a clock that nobody had compared yet, maybe
        received = Received(held.at, held.clock, checked=not released and self._context.clock.checked)
        spec = self.spec_of(held.meter)
        if fate != "decode" or spec is None:
            if fate != "hold" or not self._hold(held):
                self._keep_raw(held, received)
            return True
        try:
            wanted = self._reader.read(held.meter, spec, telegram, received, held=released)
        except FrameError as error:
            # the spec in force may be undone, and the one before it can read this
            if self._context.config.falls_back(held.meter) and self._waits_on(held, released=released):
                return not released
            if spec.generic:
                # an unknown product: its frames are its history, which a spec of its own will read
                self._keep_raw(held, received)
            else:
                self._undecodable(error, held, spec)
            return True
        # so may the filter, and another one leaves something of this
        if not wanted and self._context.undecided(held.meter):
            if not self._waits_on(held, released=released):
                self._keep_raw(held, received)
            return not released
        asked = released or self._context.config.parameters.raw_frames
        if spec.generic and not asked and self._specimens.due(held.meter):
            self._publish_raw(held)
        return True

    def _waits_on(self, held: Held, *, released: bool) -> bool:
        """Whether a frame that what is on trial could not read is kept until it is clear what becomes of that."""
        if not self._context.undecided(held.meter):
            return False
        if released:
            self._tried[held.meter] = self._context.revision
            return True
        return self._hold(held)

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
        of = FramesOf(reason, self.port, str(held.frame.protocol), held.meter, held.clock)
        self._context.bundles.add_frame(of, held.at, held.frame.data, self._context.monotonic())

    def _undecodable(self, error: FrameError, held: Held, spec: Spec | None = None) -> None:
        reason, data = FrameReason.UNDECODABLE, held.frame.data
        self.fail(error, held.at, reason=reason, data=data, key=held.meter, clock=held.clock, spec=spec)

    def _suppressed_hint(self) -> dict[str, str]:
        counted = self._suppression.take_counted()
        return {"suppressed": ", ".join(f"{n} {reason}" for reason, n in sorted(counted.items()))} if counted else {}
