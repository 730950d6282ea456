"""Between two live reads of a polled port: a slice of history of one of its meters."""

import structlog

from broker.errors import FrameError
from device.history.history import History
from device.history.spans import Span
from device.ports.baud_changeover import ChangeOvers
from device.ports.fieldbus import Fieldbus
from device.ports.line import Line
from device.ports.other_meter import told_of_another
from device.ports.profile_reader import ProfileReader, profile_reader
from device.ports.turns import Turns
from device.readings.context import Context
from device.readings.intake import Intake
from meters.specs.spec import Spec
from meters.telegram import Frame, Wire
from meters.wires.iec62056 import serial_register

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
        self._turns = Turns()
        self._named_by: dict[str, str] = {}
        """By address: the register of the last readout that had its meter's serial."""
        self.took_s = 0.0
        """How long the line was taken for the last slice."""

    def live(self, address: str, key: str, frame: Frame | None = None) -> None:
        """A meter of the port was read live at an address, by this frame."""
        if frame is not None and frame.protocol is Wire.IEC62056_21:
            self._named_by[address] = serial_register(frame)
        if key:
            self._history.live(key, self._context.clock.now())

    def named_by(self, address: str) -> str:
        """The register by which the D0 meter at an address told its serial live, empty where it told none."""
        return self._named_by.get(address, "")

    async def read_one(self, line: Line, meter_at: dict[str, str]) -> bool:
        """Read a slice of one of these meters (by address) of which one is due; whether one was.

        Outages and first reads come before what commands asked for; meters take turns. Raises LineGoneError.
        """
        due: dict[str, tuple[Spec, Span]] = {}
        for address, key in meter_at.items():
            span, spec = self._history.due(key), self._context.effective.spec_of(key)
            if span is not None and spec is not None and not self._fieldbus.is_unread(address):
                due[address] = spec, span
        first = [address for address, (_, span) in due.items() if span.why != "command"]
        if not due:
            return False
        address = self._turns.next_of(tuple(meter_at), first or due)
        await self._read(line, address, meter_at[address], *due[address])
        return True

    async def _read(self, line: Line, address: str, key: str, spec: Spec, span: Span) -> None:
        context = self._context
        reader = self._reader(address, key, spec)
        began_s = context.monotonic()
        found = reader if isinstance(reader, FrameError) else await reader.read(line, span.since, span.until)
        self.took_s = context.monotonic() - began_s
        if not isinstance(found, FrameError):
            answered = self._meter.meters.told_by(found, key)
            if answered == key:
                log.debug("history_slice", port=self._path, meter=key, rows=len(found.profile), took_s=self.took_s)
                doubted = self._meter.doubts_clock(key)
                await self._history.take(key, spec, span, found.profile, self.took_s, doubted=doubted)
                return
            found = told_of_another(self._context, self._meter, self._path, key, answered)
        log.warning("history_failed", port=self._path, meter=key, reason=found.reason, detail=found.detail)
        self._history.failed(key, span, found)

    def _reader(self, address: str, key: str, spec: Spec) -> ProfileReader | FrameError:
        context = self._context
        return self._fieldbus.profile_reader(address, spec) or profile_reader(
            spec, address=address, zone=context.config.parameters.time_zone, slow=self._change_overs.slow(),
            passwords=context.settings.passwords, given=context.keys.password_of(key),
            named_by=self.named_by(address),
        )  # fmt: skip
