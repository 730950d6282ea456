"""An agent killed with -9 in the middle of a bad change goes on with the trial and undoes the change."""

import signal
from pathlib import Path

from broker.contract.messages import Parameters
from device.simulator import SimulatedP1Meter
from tests.rigs.agent import PlatformSide
from tests.rigs.agent_process import process
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

SERIAL = "E0044007133156018"
P1 = f"ISK:{SERIAL}"
GOOD = Parameters(reading_interval_s=1, publish_interval_s=0.2, probation_s=4)


async def test_a_killed_agent_undoes_a_bad_change_and_a_reverted_one_stays_undone(
    broker: Broker, tmp_path: Path
) -> None:
    """Killed as soon as the change is in force, and again right after the revert: nothing is tried again."""
    await broker.add_device("pi-1")
    async with PlatformSide(broker, "pi-1", parameters=GOOD) as platform, SimulatedP1Meter(serial=SERIAL) as meter:
        async with process(platform, tmp_path / "data", meter.port, broker.port) as first:
            await until(lambda: len(platform.samples(P1)) >= 2)
            good = platform.version
            bad = await platform.publish_desired(GOOD.model_copy(update={"obis_include": ("9-9:*",)}))
            await until(lambda: (r := platform.reported()) and r.version == bad and r.probation)
            first.process.send_signal(signal.SIGKILL)
            await first.process.wait()
        platform.log.clear()
        async with process(platform, tmp_path / "data", meter.port, broker.port) as second:
            await until(lambda: (r := platform.reported()) and (r.version, r.probation) == (bad, True))
            await until(lambda: (r := platform.reported()) and r.state == "reverted")
            second.process.send_signal(signal.SIGKILL)
            await second.process.wait()
        platform.log.clear()
        async with process(platform, tmp_path / "data", meter.port, broker.port):
            await until(lambda: len(platform.samples(P1)) >= 2)
            report = platform.reported()
            assert report is not None
            assert (report.state, report.version, report.in_force) == ("reverted", bad, good)
            count = len(platform.samples(P1))
            await until(lambda: len(platform.samples(P1)) > count, "it reads on")
            assert not platform.events("config_applied")
