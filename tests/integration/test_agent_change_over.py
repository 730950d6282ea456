"""The agent and a meter that proposes a rate and stays at 300 baud."""

import json
from pathlib import Path

from device.simulator import SimulatedIecMeter
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

METER = "LGZ:12345678"


async def test_a_meter_that_does_not_follow_is_read_and_remembered(broker: Broker, tmp_path: Path) -> None:
    """Its first readout falls back to 300 baud and says so once; later ones, also after a restart, ask for 300."""
    await broker.add_device("pi-1")
    async with PlatformSide(broker, "pi-1") as platform, SimulatedIecMeter(serial="12345678", follows=False) as meter:
        async with agent(settings(platform, tmp_path, meter.port)):
            await until(lambda: platform.samples(METER), timeout_s=120)
            (event,) = await until(lambda: platform.events("changeover_failed"))
            assert event.detail["proposed_baud"] == 4800
            assert event.detail["identification"] == meter.identification
            count = len(platform.samples(METER))
            await until(lambda: len(platform.samples(METER)) > count, timeout_s=60)
        remembered = json.loads((tmp_path / "ports.json").read_text())[meter.port]
        assert remembered["slow"][meter.identification]["baud"] == 4800
        async with agent(settings(platform, tmp_path, meter.port)):
            count = len(platform.samples(METER))
            await until(lambda: len(platform.samples(METER)) > count, timeout_s=60)
        assert len(platform.events("changeover_failed")) == 1
        assert not any(platform.lost().values())
