"""Each frame of one port: parsed, its meter identified, and handed to what processes it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from broker.errors import FrameError
from device.line_settings import LineSettings
from device.readings.bad_frames import BadFrames
from device.readings.ciphered import CipheredFrames, Held
from device.readings.context import Context
from device.readings.identity import PortIdentity
from device.readings.missing_keys import MissingKeys
from device.readings.processing import Processing
from device.readings.raw_frames import RawFrames
from device.readings.reader import Reader
from device.readings.release import Release
from device.readings.routing import Router
from device.readings.waiting_frames import WaitingFrame, WaitingFrames
from meters.telegram import Frame


class Intake:
    """Takes the frames and failures of one port; survives swaps of the meter and of its protocol, and shared lines."""

    def __init__(self, port: str, context: Context) -> None:
        settings = context.settings
        self.port = port
        self._context = context
        self._protocol = ""
        self._crc_reported: set[tuple[str, str]] = set()
        self.urgent = False
        """Whether a polled meter is to be read out of turn."""
        self.waiting = WaitingFrames(settings.data_folder / "held", port, settings.held_limit_mib * 1024 * 1024)
        self.meters = PortIdentity(port, context)
        self.missing_keys = MissingKeys(port, context)
        self._ciphered = CipheredFrames(port, context, self.missing_keys)
        self.raw = RawFrames(port, context)
        self._bad = BadFrames(port, context)
        self._reader = Reader(port, context)
        self._router = Router(context, self.meters)
        self._processing = Processing(port, context, self._router, self._reader, self.raw, self._bad, self.waiting)
        self._release = Release(
            port, context, self.meters, self._router, self._processing, self.waiting, self._ciphered
        )
        context.metrics.held_frames.labels(port).set(self.waiting.count)
        context.metrics.held_damaged_bytes.labels(port).set(self.waiting.damaged_bytes)
        if self.waiting.damaged_bytes:
            context.outgoing.event("held_frames_damaged", "warning", port=port, bytes=self.waiting.damaged_bytes)

    @property
    def key(self) -> str:
        """The meter of the last telegram, '' while it has not named itself."""
        return self.meters.key

    def take(self, frame: Frame, at: datetime, stated: Mapping[str, str] | None = None) -> bool:
        """Take a good frame; whether its telegram could be read, or only its meter's key is missing.

        `stated` are facts where its wire tells none.
        """
        context, self._protocol = self._context, str(frame.protocol)
        try:
            found = self._ciphered.read(frame)
        except FrameError as error:
            self._bad.undecodable(error, frame.data, at, protocol=self._protocol, meter=self.key)
            return False
        self._bad.good(self.key)
        if isinstance(found, Held):
            self._hold(frame, found, at)
            return True
        telegram, named = found
        if stated:
            telegram = replace(telegram, facts={**stated, **telegram.facts})
        context.metrics.frames.labels(self._protocol, "good").inc()
        try:
            key = self.meters.take(telegram, at, context.effective.spec_of, named)
        except FrameError as error:
            self._bad.undecodable(error, b"", at, protocol=self._protocol, meter="")
            return True
        context.health.heard(key)
        self._report_crc(key, frame.crc)
        received = WaitingFrame(at, context.clock.trust(), key, frame)
        self.raw.on_request(received)
        self._processing.process(received, telegram, self._router.route(key))
        return True

    def _hold(self, frame: Frame, held: Held, at: datetime) -> None:
        """Publish a telegram that wants a key: what speaks here is certain all the same."""
        context = self._context
        if not held.meter:
            self._bad.undecodable(held.error, frame.data, at, protocol=self._protocol, meter="")
            return
        context.metrics.frames.labels(self._protocol, "key_missing").inc()
        key = self.meters.take_ciphered(frame.protocol, held.meter, held.title, held.state, at)
        context.health.heard(key)
        received = WaitingFrame(at, context.clock.trust(), key, frame)
        self.raw.on_request(received)
        self.raw.without_key(received)

    def fail(self, error: FrameError, at: datetime) -> None:
        """Take a frame that fails its own check, received at `at` by the device's clock."""
        self._bad.bad(error, at, protocol=self._protocol, meter=self.key)

    async def release(self) -> None:
        """Process what waits for its spec, once it is known what to do with it; call it often."""
        await self._release.run()

    def read_now(self) -> None:
        """Read the meter now: a polled one out of turn, and the next telegram of any whatever the interval."""
        self.urgent = self._reader.urgent = True

    def doubts_clock(self, key: str) -> bool:
        """Whether a meter's clock was found to be off, and not right again since."""
        return self._reader.doubts_clock(key)

    def on_line(self, settings: LineSettings) -> None:
        """Note by which line settings the frames come that follow."""
        self.meters.line = str(settings)

    def upkeep(self) -> None:
        """Send what is counted, where it is due; call it about once a second."""
        self._reader.upkeep()
        self.meters.upkeep()
        self._bad.upkeep(self.key)

    def _report_crc(self, key: str, crc: str) -> None:
        """One event for a meter that states another CRC than the usual one, where its spec does not name it."""
        spec = self._context.effective.spec_of(key)
        if crc and spec is not None and crc not in spec.decode.crc and (key, crc) not in self._crc_reported:
            self._crc_reported.add((key, crc))
            self._context.outgoing.event(
                "crc_variant", meter=key, port=self.port, crc=crc, spec=spec.ref,
                fix=f"a spec with decode.crc: {crc} reads it from the first telegram on",
            )  # fmt: skip
