"""Frames that fail: all are counted, the first few of each minute published; an event where all fail."""

from datetime import datetime
from typing import Final

from broker.contract.messages import Clock, FrameReason
from broker.errors import FrameError
from device.readings.bad_frame_limit import Suppression
from device.readings.context import Context
from meters.specs.spec import Spec

FAILING_AFTER: Final = 5
"""Bad frames in a row that are more than noise."""


class BadFrames:
    """The failures of one port."""

    def __init__(self, port: str, context: Context) -> None:
        self._port = port
        self._context = context
        self._suppression = Suppression(context.settings.bad_frames_per_minute, context.monotonic)
        self._in_a_row = 0

    def bad(self, error: FrameError, at: datetime, *, protocol: str, meter: str) -> None:
        """Take a frame that fails its own check, received at `at`; `meter` is the one that is read here."""
        if error.data:
            self._in_a_row += 1
            if self._in_a_row == FAILING_AFTER and meter:
                reason, detail = error.reason, error.detail
                self._context.outgoing.event(
                    "frames_failing", "error", meter=meter, port=self._port, reason=reason, detail=detail
                )
        self._publish(FrameReason.BAD_FRAME, error, error.data, at, protocol, meter)

    def good(self, meter: str) -> None:
        """A good frame came."""
        if self._in_a_row >= FAILING_AFTER and meter:
            self._context.outgoing.event("frames_recovered", meter=meter, port=self._port)
        self._in_a_row = 0

    def undecodable(
        self,
        error: FrameError,
        data: bytes,
        at: datetime,
        *,
        protocol: str,
        meter: str,
        clock: Clock | None = None,
        spec: Spec | None = None,
    ) -> None:
        """Take a good frame that nothing can be made of; `spec` is the one that could not decode it.

        `at` is by the device's clock of now, or of then where `clock` says how it stood.
        """
        self._publish(FrameReason.UNDECODABLE, error, error.data or data, at, protocol, meter, clock, spec)

    def upkeep(self, meter: str) -> None:
        """Send an event of suppressed frames once their minute is over; call it about once a second."""
        if self._suppression.overdue:
            counted = self._suppression.take_counted()
            self._context.outgoing.event("frames_suppressed", "warning", meter=meter, port=self._port, **counted)

    def _publish(
        self,
        reason: FrameReason,
        error: FrameError,
        octets: bytes,
        at: datetime,
        protocol: str,
        meter: str,
        clock: Clock | None = None,
        spec: Spec | None = None,
    ) -> None:
        context = self._context
        context.metrics.frames.labels(protocol or "unknown", error.reason).inc()
        if not octets:
            return
        if not self._suppression.admit(error.reason):
            context.metrics.frames_suppressed.labels(self._port, reason).inc()
            return
        hints = {"detail": error.detail, "spec": spec.ref if spec else "", **self._suppressed_hint()}
        context.outgoing.frames(
            reason,
            self._port,
            protocol or "unknown",
            [(at, octets, error.reason)],
            meter=meter,
            clock=clock or context.clock.trust(),
            hints={name: text for name, text in hints.items() if text},
        )

    def _suppressed_hint(self) -> dict[str, str]:
        counted = self._suppression.take_counted()
        return {"suppressed": ", ".join(f"{n} {reason}" for reason, n in sorted(counted.items()))} if counted else {}
