"""What is heard at a port that Wattline does not read: reported when it is new, with a frame of it now and then."""

from typing import Final

from broker.contract.messages import FrameReason
from device.line_settings import LineSettings
from device.readings.context import Context
from device.readings.specimens import Specimens
from meters.wires.other_protocols import OtherProtocol

ERROR: Final = "other_protocol"
"""The error of such a frame: whole by its own check, and of a protocol without a reader."""
EVENT_EVERY_S: Final = 3600.0


class OtherProtocolMonitor:
    """The other protocol at one port; `found` is what the present pass of detection, or the last one, heard."""

    def __init__(self, port: str, context: Context) -> None:
        self.found: OtherProtocol | None = None
        self._port = port
        self._context = context
        self._found_in_pass = False
        self._event_s: dict[str, float] = {}
        self._specimens = Specimens(context.monotonic)

    def observe(self, found: OtherProtocol, line: LineSettings) -> None:
        """Take what a window of listening heard by these settings."""
        context = self._context
        self.found, self._found_in_pass = found, True
        context.metrics.frames.labels(found.name, ERROR).inc(found.frames)
        now_s = context.monotonic()
        if now_s - self._event_s.get(found.name, float("-inf")) >= EVENT_EVERY_S:
            self._event_s[found.name] = now_s
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
        if not self._found_in_pass:
            self.found = None
        self._found_in_pass = False
