"""The agent with simulated meters on ptys and a real broker: from an unknown port to readings."""

from pathlib import Path

from broker.contract.messages import Clock
from broker.contract.topics import Kind
from device.simulator import SimulatedIecMeter, SimulatedP1Meter, SimulatedSmlMeter
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.servers import Broker
from tests.rigs.waiting import until


async def test_three_unknown_ports_become_readings_of_three_protocols(broker: Broker, tmp_path: Path) -> None:
    """Each meter is detected, registered before its first reading, given its spec, and read: nothing configured."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        SimulatedP1Meter(serial="E0044007133156018", seed=1) as p1,
        SimulatedSmlMeter(serial="0067362659", seed=2, interval_s=1) as sml,
        SimulatedIecMeter(serial="12345678", seed=3) as iec,
        agent(settings(platform, tmp_path, p1.port, sml.port, iec.port)),
    ):
        keys = {"ISK:E0044007133156018", "MBUS:G0044007133156018", "ISK:1ISK0067362659", "LGZ:12345678"}
        await until(
            lambda: keys <= {meter for meter, _ in platform.samples()}, timeout_s=60, what="readings of all meters"
        )
        specs = {reading.meter: reading.spec for reading in platform.readings}
        assert specs["ISK:E0044007133156018"] == "iskra-2m550@1"
        assert specs["ISK:1ISK0067362659"] == "iskra-mt175@1"
        assert specs["LGZ:12345678"] == "lgz-e350@1"
        clocks = {reading.meter: reading.clock for reading in platform.readings}
        assert clocks["ISK:E0044007133156018"] is Clock.METER
        assert clocks["ISK:1ISK0067362659"] in (Clock.SYNCED, Clock.UNSYNCED)
    kinds = [kind for kind, _ in platform.log]
    assert kinds.index(Kind.REGISTRATION) < kinds.index(Kind.READINGS)
    assert not any(platform.lost().values())
