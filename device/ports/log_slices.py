"""Between two live reads of a polled port: the event log of one of its meters, where one is due."""

from collections.abc import Callable
from datetime import datetime

import structlog

from broker.errors import FrameError
from device.history.event_logs import EventLogs
from device.ports.baud_changeover import ChangeOvers
from device.ports.fieldbus import Fieldbus
from device.ports.line import Line
from device.ports.log_reader import log_reader
from device.ports.other_meter import told_of_another
from device.ports.turns import Turns
from device.readings.context import Context
from device.readings.intake import Intake
from meters.specs.spec import Spec

log = structlog.get_logger()


class LogSlices:
    """Reads the event logs that are due of the meters at one port, one at a call."""

    def __init__(
        self, path: str, context: Context, logs: EventLogs, meter: Intake, change_overs: ChangeOvers,
        fieldbus: Fieldbus, named_by: Callable[[str], str],
    ) -> None:  # fmt: skip
        self._path = path
        self._context = context
        self._logs = logs
        self._meter = meter
        self._change_overs = change_overs
        self._fieldbus = fieldbus
        self._named_by = named_by
        self._turns = Turns()

    def live(self, key: str) -> None:
        """A meter of the port was read live."""
        if key:
            self._logs.live(key)

    def is_awaited(self, meter_at: dict[str, str]) -> bool:
        """Whether somebody waits for a log of these meters that can be read now."""
        return any(
            self._logs.is_awaited(key) and self._logs.due(key) is not None and not self._fieldbus.is_unread(address)
            for address, key in meter_at.items()
        )

    async def read_one(self, line: Line, meter_at: dict[str, str]) -> bool:
        """Read the log of one of these meters (by address) of which one is due; whether one was.

        Those that somebody waits for come first; meters take turns. Raises LineGoneError.
        """
        due: dict[str, tuple[Spec, tuple[datetime, datetime]]] = {}
        for address, key in meter_at.items():
            span, spec = self._logs.due(key), self._context.effective.spec_of(key)
            if span is not None and spec is not None and not self._fieldbus.is_unread(address):
                due[address] = spec, span
        if not due:
            return False
        awaited = [address for address in due if self._logs.is_awaited(meter_at[address])]
        address = self._turns.next_of(tuple(meter_at), awaited or due)
        await self._read(line, address, meter_at[address], *due[address])
        return True

    async def _read(self, line: Line, address: str, key: str, spec: Spec, span: tuple[datetime, datetime]) -> None:
        context = self._context
        reader = self._fieldbus.log_reader(address, spec, self._logs.entries_of(key)) or log_reader(
            spec, address=address, zone=context.config.parameters.time_zone, slow=self._change_overs.slow(),
            passwords=context.settings.passwords, given=context.keys.password_of(key),
            named_by=self._named_by(address),
        )  # fmt: skip
        found = reader if isinstance(reader, FrameError) else await reader.read(line, *span)
        if not isinstance(found, FrameError):
            answered = {self._meter.meters.told_by(one.by, key) for one in found} - {key}
            if answered:
                found = told_of_another(context, self._meter, self._path, key, answered.pop())
        if isinstance(found, FrameError):
            log.warning("event_log_failed", port=self._path, meter=key, reason=found.reason, detail=found.detail)
            self._logs.failed(key, found)
            return
        logs = {one.name: one.rows for one in found}
        log.info("event_log_read", port=self._path, meter=key, entries=sum(len(rows) for rows in logs.values()))
        await self._logs.take(key, spec, logs, span[0], doubted=self._meter.doubts_clock(key))
