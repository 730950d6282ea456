"""Waiting frames are released while a meter goes on pushing: nothing of what comes meanwhile is missed."""

import asyncio
import contextlib
import itertools
from pathlib import Path

from broker.contract.messages import Readings
from broker.contract.topics import Kind
from device.history.event_logs import EventLogs
from device.history.history import History
from device.history.log_memory import LogMemory
from device.history.memory import HistoryMemory
from device.line_settings import LineSettings
from device.ports.detection import KnownLine
from device.ports.memory import PortMemory
from device.ports.port import Port
from device.simulator import SimulatedSmlMeter
from meters.telegram import Wire
from tests.rigs.meter_port import Rig, take_spec
from tests.rigs.waiting import until

DISK_S = 2.2
"""What a card takes that is busy: several telegrams."""


class SlowDisk(Rig):
    """A rig whose disk keeps everybody waiting."""

    async def make_durable(self) -> bool:
        """Wait for the disk."""
        await asyncio.sleep(DISK_S)
        return True


async def test_telegrams_that_come_while_held_frames_are_released_keep_their_times(tmp_path: Path) -> None:
    """A clockless meter that pushes each second, by a disk that is slow: a sample for each second, also of these."""
    rig = SlowDisk(tmp_path)
    async with SimulatedSmlMeter(serial="0067362659", interval_s=1.0) as meter:
        memory = PortMemory(tmp_path / "ports.json")
        memory.put(str(meter.port), KnownLine(LineSettings(9600), Wire.SML))
        history = History(rig.context, HistoryMemory(tmp_path / "history.json"), lambda: False)
        logs = EventLogs(rig.context, LogMemory(tmp_path / "event-logs.json"), lambda: False)
        port = Port(str(meter.port), rig.context, memory, history, logs)
        serving = asyncio.create_task(port.run())
        await until(lambda: port.meter.waiting.count > 1)
        take_spec(rig, "generic-sml@1")
        rig.desire(**{port.meter.key.replace(":", "_"): "generic-sml@1"})
        await until(lambda: port.meter.waiting.count == 0)
        taken = rig.context.metrics.samples.labels("live")
        released = taken.value
        await until(lambda: taken.value > released + 2 * DISK_S + 2)
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    rig.context.bundles.flush(rig.context.monotonic(), 0)
    samples = [sample for payload in rig.payloads(Kind.READINGS) for sample in Readings.parse(payload).samples]
    times = sorted(sample.at for sample in samples)
    assert len(times) == len(set(times)) > 2 * DISK_S + 3
    assert max((b - a).total_seconds() for a, b in itertools.pairwise(times)) < 1.9
