"""An agent killed with -9 in the middle of a bad change goes on with the trial and undoes the change."""

import asyncio
import signal
from pathlib import Path

from broker.messages import Parameters
from device.simulator import SimulatedP1Meter
from tests.faults.test_device_kill import process
from tests.integration.agent_rig import Desk, until
from tests.servers import Broker

SERIAL = "E0044007133156018"
P1 = f"ISK:{SERIAL}"
GOOD = Parameters(reading_interval_s=1, publish_interval_s=0.2, probation_s=4)


async def test_a_killed_agent_undoes_a_bad_change_and_a_reverted_one_stays_undone(
    broker: Broker, tmp_path: Path
) -> None:
    """Killed as soon as the change is in force, and again right after the revert: nothing is tried again."""
    await broker.add_device("pi-1")
    async with Desk(broker, "pi-1", parameters=GOOD) as desk, SimulatedP1Meter(serial=SERIAL) as meter:
        async with process(desk, tmp_path / "data", meter.port, broker.port) as first:
            await until(lambda: len(desk.samples(P1)) >= 2, 30)
            good = desk.version
            bad = await desk.publish_desired(GOOD.model_copy(update={"obis_include": ("9-9:*",)}))
            await until(lambda: (r := desk.reported()) and r.version == bad and r.probation)
            first.process.send_signal(signal.SIGKILL)
            await first.process.wait()
        desk.log.clear()
        async with process(desk, tmp_path / "data", meter.port, broker.port) as second:
            await until(lambda: (r := desk.reported()) and (r.version, r.probation) == (bad, True), 30)
            await until(lambda: (r := desk.reported()) and r.state == "reverted", 30)
            second.process.send_signal(signal.SIGKILL)
            await second.process.wait()
        desk.log.clear()
        async with process(desk, tmp_path / "data", meter.port, broker.port):
            await until(lambda: len(desk.samples(P1)) >= 2, 30)
            report = desk.reported()
            assert report is not None
            assert (report.state, report.version, report.in_force) == ("reverted", bad, good)
            await asyncio.sleep(0.5)
            assert not desk.events("config_applied")
