"""A port whose line falls silent is detected anew; what comes just then is read all the same."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from device.history.event_logs import EventLogs
from device.history.history import History
from device.history.log_memory import LogMemory
from device.history.memory import HistoryMemory
from device.line_settings import LineSettings
from device.ports.detection import KnownLine
from device.ports.memory import PortMemory
from device.ports.port import FLUSH_AFTER_S, Port
from device.simulator import SimulatedSmlMeter
from device.simulator.pty_line import PtyLine
from meters.telegram import Wire
from tests.rigs.meter_port import Rig
from tests.rigs.waiting import until

BAUD = 9600


@contextlib.asynccontextmanager
async def impatient(folder: Path, line: PtyLine) -> AsyncIterator[Port]:
    """A port that gives a silent line up after less than a second, and then listens to it for a minute."""
    rig = Rig(folder)
    brief = rig.context.settings.detection.model_copy(update={"silence_s": 0.7, "thorough_s": 60.0})
    context = replace(rig.context, settings=rig.context.settings.model_copy(update={"detection": brief}))
    memory = PortMemory(folder / "ports.json")
    memory.put(line.port, KnownLine(LineSettings(BAUD), Wire.SML))
    history = History(context, HistoryMemory(folder / "history.json"), lambda: False)
    port = Port(line.port, context, memory, history, EventLogs(context, LogMemory(folder / "logs.json"), lambda: False))
    serving = asyncio.create_task(port.run())
    try:
        yield port
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


async def test_a_telegram_amid_which_a_line_is_given_up_is_read(tmp_path: Path) -> None:
    """Its beginning came while the line was listened to, its rest as the line is listened for again."""
    meter, line = SimulatedSmlMeter(serial="0067362659"), PtyLine()

    def speaks_until_listened_to() -> bool:
        line.send(meter.telegram(), BAUD)
        return port.state == "listening"

    async with impatient(tmp_path, line) as port:
        given_up_s = FLUSH_AFTER_S
        while given_up_s >= FLUSH_AFTER_S:  # a machine that stalls so long has the agent take what it has for torn
            await until(speaks_until_listened_to)
            began_s, whole = time.monotonic(), meter.telegram()
            line.send(whole[:200], BAUD)
            await until(lambda: port.state == "detecting")
            given_up_s = time.monotonic() - began_s
        read = port.meter.waiting.count
        line.send(whole[200:], BAUD)
        await until(lambda: port.meter.waiting.count == read + 1, "it is read")
    line.close()
