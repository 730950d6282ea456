"""Good frames that are published as they are: for want of a spec, as a specimen for one, or on request."""

from broker.contract.messages import FrameReason
from device.outbox.gathered import FramesOf
from device.readings.context import Context
from device.readings.sampler import IntervalSampler
from device.readings.specimens import Specimens
from device.readings.waiting_frames import WaitingFrame


class RawFrames:
    """The raw frames of one port."""

    def __init__(self, port: str, context: Context) -> None:
        self._port = port
        self._context = context
        self._interval = IntervalSampler()
        self._specimens = Specimens(context.monotonic)
        self._every_until_s = 0.0

    def publish_every(self, for_s: float) -> None:
        """Publish each good frame for so long from now."""
        self._every_until_s = self._context.monotonic() + for_s

    def on_request(self, frame: WaitingFrame) -> None:
        """Publish a frame where each one is asked for."""
        if self._context.monotonic() < self._every_until_s:
            self._publish(frame, FrameReason.REQUESTED)

    def without_spec(self, frame: WaitingFrame) -> None:
        """Publish the first frame of each reading interval; the others are counted."""
        interval_s = self._context.config.parameters.reading_interval_s
        if self._interval.take(frame.meter or self._port, frame.at, interval_s):
            self._publish(frame, FrameReason.NO_SPEC)
        else:
            self._context.metrics.frames_suppressed.labels(self._port, FrameReason.NO_SPEC).inc()

    def without_key(self, frame: WaitingFrame) -> None:
        """The same of a meter whose key is missing: what is published becomes its history once the platform has it."""
        interval_s = self._context.config.parameters.reading_interval_s
        if self._interval.take(frame.meter or self._port, frame.at, interval_s):
            self._publish(frame, FrameReason.KEY_MISSING)
        else:
            self._context.metrics.frames_suppressed.labels(self._port, FrameReason.KEY_MISSING).inc()

    def specimen(self, frame: WaitingFrame) -> None:
        """Publish a frame that only a generic spec reads now and then, so that a spec can be drafted."""
        if self._specimens.due(frame.meter):
            self._publish(frame, FrameReason.NO_SPEC)

    def _publish(self, frame: WaitingFrame, reason: FrameReason) -> None:
        of = FramesOf(reason, self._port, str(frame.frame.protocol), frame.meter, frame.clock)
        self._context.bundles.add_frame(of, frame.at, frame.frame.data, self._context.monotonic())
