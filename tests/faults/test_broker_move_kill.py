"""kill -9 while the agent is on its way to another broker: nothing is lost, and it arrives."""

from pathlib import Path

from deploy.local.stack import LocalStack
from device.simulator import SimulatedP1Meter
from tests.rigs.agent import SERIAL, PlatformSide, quick
from tests.rigs.agent_process import P1, process
from tests.rigs.servers import Broker
from tests.rigs.two_brokers import beside, lost
from tests.rigs.waiting import until


async def test_a_killed_agent_goes_on_with_its_way(stack: LocalStack, broker: Broker, tmp_path: Path) -> None:
    """Killed as soon as the trial is on the disk, once it is there, and once it has its proof."""
    await broker.add_device("pi-1")
    parameters = quick(probation_s=300)
    async with (
        PlatformSide(broker, "pi-1", parameters=parameters, receipts=True) as old,
        beside(stack, broker, "pi-1") as second,
        PlatformSide(second, "pi-1", parameters=parameters, version=100, answers=False) as new,
        SimulatedP1Meter(serial=SERIAL) as meter,
    ):
        async with process(old, tmp_path, meter.port, broker.port) as running:
            await until(lambda: len(old.samples(P1)) >= 2)
            await old.publish_desired(quick(probation_s=300, broker_address=f"127.0.0.1:{second.port}"))
            await until(lambda: b'"trial":{' in (tmp_path / "broker.json").read_bytes() if _there(tmp_path) else False)
            running.process.kill()
        async with process(old, tmp_path, meter.port, broker.port) as running:
            await until(lambda: new.events("broker_tried"))
            running.process.kill()
        new.receipts = True
        async with process(old, tmp_path, meter.port, broker.port) as running:
            await until(lambda: b'"good":{"address":"127' in (tmp_path / "broker.json").read_bytes())
            running.process.kill()
        count = len(new.samples(P1))
        async with process(old, tmp_path, meter.port, broker.port):
            await until(lambda: len(new.samples(P1)) >= count + 3)
            await until(lambda: lost(old, new) == {})


def _there(folder: Path) -> bool:
    return (folder / "broker.json").exists()
