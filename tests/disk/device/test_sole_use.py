"""One data folder, one agent."""

import asyncio
from pathlib import Path

import pytest

from broker.errors import PermanentError
from broker.runtime.settings import BrokerAddress
from device.service import run
from device.settings import DeviceSettings


async def test_a_second_agent_on_the_same_data_folder_is_refused(tmp_path: Path) -> None:
    """Two agents on one outbox would lose readings: the second ends with a sentence, and may start after the first."""
    broker = BrokerAddress(port=1)
    settings = DeviceSettings(device_id="d1", data_folder=tmp_path, ports=("/nonexistent",), broker=broker)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(20):
        tasks.create_task(run(settings, stop))
        while not (tmp_path / "outbox").exists():
            await asyncio.sleep(0.01)
        with pytest.raises(PermanentError, match="another agent uses the data folder"):
            await run(settings, asyncio.Event())
        stop.set()
    async with asyncio.timeout(20):
        ended = asyncio.Event()
        ended.set()
        await run(settings, ended)
