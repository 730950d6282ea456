"""One good frame done with: decoded by its meter's spec, kept until that is known, or published raw."""

from broker.errors import FrameError
from device.readings.bad_frames import BadFrames
from device.readings.context import Context
from device.readings.raw_frames import RawFrames
from device.readings.reader import Reader
from device.readings.routing import Route, Router
from device.readings.waiting_frames import WaitingFrame, WaitingFrames
from meters.decoding.stamping import Received
from meters.specs.spec import Spec
from meters.telegram import Telegram


class Processing:
    """Does with each frame of one port what its route says."""

    def __init__(
        self,
        port: str,
        context: Context,
        router: Router,
        reader: Reader,
        raw: RawFrames,
        bad: BadFrames,
        waiting: WaitingFrames,
    ) -> None:
        self._port = port
        self._context = context
        self._router = router
        self._reader = reader
        self._raw = raw
        self._bad = bad
        self._waiting = waiting

    def process(self, frame: WaitingFrame, telegram: Telegram, route: Route, *, released: bool = False) -> bool:
        """Whether the frame is done with: one that was `released` from waiting may have to wait on."""
        spec = self._context.effective.spec_of(frame.meter)
        if route is Route.DECODE and spec is not None:
            return self._decode(frame, telegram, spec, released=released)
        if route is not Route.WAIT or not self._keep(frame):
            self._raw.without_spec(frame)
        return True

    def without_key(self, frame: WaitingFrame) -> None:
        """Publish a frame that can't be read without its meter's key."""
        self._raw.without_key(frame)

    def undecodable(self, error: FrameError, frame: WaitingFrame, spec: Spec | None = None) -> None:
        """Publish a frame that nothing can be made of, as a failure."""
        protocol = str(frame.frame.protocol)
        self._bad.undecodable(
            error, frame.frame.data, frame.at, protocol=protocol, meter=frame.meter, clock=frame.clock, spec=spec
        )

    def _decode(self, frame: WaitingFrame, telegram: Telegram, spec: Spec, *, released: bool) -> bool:
        context = self._context
        # what has waited was stamped by a clock that nobody had compared yet, maybe
        received = Received(frame.at, frame.clock, checked=not released and context.clock.checked)
        try:
            wanted = self._reader.read(frame.meter, spec, telegram, received, waited=released)
        except FrameError as error:
            # the spec in force may be undone, and the one before it can read this
            if context.config.falls_back(frame.meter) and self._wait_for_trial(frame, released=released):
                return not released
            if spec.generic:
                # an unknown product: its frames are its history, which a spec of its own will read
                self._raw.without_spec(frame)
            else:
                self.undecodable(error, frame, spec)
            return True
        # so may the filter, and another one leaves something of this
        if not wanted and context.effective.is_undecided(frame.meter):
            if not self._wait_for_trial(frame, released=released):
                self._raw.without_spec(frame)
            return not released
        if spec.generic and not released and not context.config.parameters.raw_frames:
            self._raw.specimen(frame)
        return True

    def _wait_for_trial(self, frame: WaitingFrame, *, released: bool) -> bool:
        """Whether a frame that what is on trial could not read is kept until it is clear what becomes of that."""
        if not self._context.effective.is_undecided(frame.meter):
            return False
        if released:
            self._router.note_unreadable(frame.meter)
            return True
        return self._keep(frame)

    def _keep(self, frame: WaitingFrame) -> bool:
        if not self._waiting.add(frame):
            return False
        self._context.metrics.held_frames.labels(self._port).set(self._waiting.count)
        return True
