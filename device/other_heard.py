"""What is heard at a port that Wattline does not read: told when it is new, with a frame of it now and then."""

from typing import Final

from broker.messages import FrameReason
from device.context import Context
from device.line import LineSettings
from device.specimens import Specimens
from meters.other_protocols import OtherProtocol

ERROR: Final = "other_protocol"
"""The error of such a frame: whole by its own check, and of a protocol without a reader."""
TOLD_EVERY_S: Final = 3600.0


class OtherHeard:
    """The other protocol at one port; `found` is what the present pass of detection, or the last one, heard."""

    def __init__(self, port: str, context: Context) -> None:
        self.found: OtherProtocol | None = None
        self._port = port
        self._context = context
        self._heard_in_pass = False
        self._told: dict[str, float] = {}
        self._specimens = Specimens(context.monotonic)

    def hear(self, found: OtherProtocol, line: LineSettings) -> None:
        """Take what a window of listening heard by these settings."""
        context = self._context
        self.found, self._heard_in_pass = found, True
        context.metrics.frames.labels(found.name, ERROR).inc(found.frames)
        now_s = context.monotonic()
        if now_s - self._told.get(found.name, float("-inf")) >= TOLD_EVERY_S:
            self._told[found.name] = now_s
            context.outgoing.event(
                "other_protocol_heard",
                "warning",
                port=self._port,
                protocol=found.name,
                line=str(line),
                frames=found.frames,
                what=found.text,
            )
        if self._specimens.due(found.name):
            context.outgoing.frames(
                FrameReason.UNDECODABLE,
                self._port,
                found.name,
                [(context.clock.now(), found.data, ERROR)],
                clock=context.clock.trust(),
                hints={"detail": found.text, "line": str(line)},
            )

    def passed(self) -> None:
        """The end of a pass of detection: what it did not hear is gone."""
        if not self._heard_in_pass:
            self.found = None
        self._heard_in_pass = False
