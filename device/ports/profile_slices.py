"""Between two live reads of a polled port: a slice of history of one of its meters."""

import structlog

from broker.errors import FrameError
from device.history.history import History
from device.history.spans import Span
from device.ports.baud_changeover import ChangeOvers
from device.ports.fieldbus import Fieldbus
from device.ports.line import Line
from device.ports.profile_reader import profile_reader
from device.readings.context import Context
from device.readings.intake import Intake
from meters.specs.spec import Spec

log = structlog.get_logger()


class ProfileSlices:
    """Reads what is due of the meters at one port, one slice at a call."""

    def __init__(
        self, path: str, context: Context, history: History, meter: Intake, change_overs: ChangeOvers,
        fieldbus: Fieldbus,
    ) -> None:  # fmt: skip
        self._path = path
        self._fieldbus = fieldbus
        self._context = context
        self._history = history
        self._meter = meter
        self._change_overs = change_overs
        self.took_s = 0.0
        """How long the line was taken for the last slice."""

    def live(self, key: str) -> None:
        """A meter of the port was read live."""
        if key:
            self._history.live(key, self._context.clock.now())

    async def read_one(self, line: Line, meter_at: dict[str, str]) -> bool:
        """Read a slice of the first of these meters (by address) of which one is due; whether one was.

        Raises LineGoneError.
        """
        for address, key in meter_at.items():
            span, spec = self._history.due(key), self._context.effective.spec_of(key)
            if span is not None and spec is not None:
                await self._read(line, address, key, spec, span)
                return True
        return False

    async def _read(self, line: Line, address: str, key: str, spec: Spec, span: Span) -> None:
        context = self._context
        reader = self._fieldbus.profile_reader(address, spec) or profile_reader(
            spec, address=address, zone=context.config.parameters.time_zone, slow=self._change_overs.slow(),
            passwords=context.settings.passwords, given=context.keys.password_of(key),
        )  # fmt: skip
        began_s = context.monotonic()
        rows = reader if isinstance(reader, FrameError) else await reader.read(line, span.since, span.until)
        self.took_s = context.monotonic() - began_s
        if isinstance(rows, FrameError):
            log.warning("history_failed", port=self._path, meter=key, reason=rows.reason, detail=rows.detail)
            self._history.failed(key, span, rows)
            return
        log.info("history_slice", port=self._path, meter=key, rows=len(rows), took_s=round(self.took_s, 1))
        doubted = self._meter.doubts_clock(key)
        await self._history.take(key, spec, span, rows, self.took_s, doubted=doubted)
