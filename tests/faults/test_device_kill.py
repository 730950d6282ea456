"""The agent as a process: killed with -9, on a full disk, and how much memory it takes."""

import asyncio
import signal
from pathlib import Path

import psutil

from broker.contract.messages import Parameters
from device.simulator import SimulatedP1Meter
from tests.rigs.agent import PlatformSide
from tests.rigs.agent_process import P1, SYNC_S, process
from tests.rigs.proxy import TcpProxy
from tests.rigs.recording_meters import RecordingMeter
from tests.rigs.servers import Broker
from tests.rigs.waiting import until


async def test_a_killed_agent_loses_nothing_that_was_synced(broker: Broker, tmp_path: Path) -> None:
    """Killed with -9 in an outage: all that was in the outbox arrives later, of both boots, without a gap."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        SimulatedP1Meter(serial="E0044007133156018", gas_serial="") as meter,
        TcpProxy(broker.host, broker.port) as proxy,
    ):
        folder = tmp_path / "data"
        async with process(platform, folder, meter.port, proxy.port) as first:
            await until(lambda: platform.samples(P1))
            await proxy.cut()
            waiting = await first.until_metric("wattline_device_outbox_messages", 4)
            await asyncio.sleep(3 * SYNC_S)
            first.process.send_signal(signal.SIGKILL)
            await first.process.wait()
        [boot] = platform.ledger()
        arrived = max(platform.ledger()[boot])
        await proxy.restore()
        async with process(platform, folder, meter.port, proxy.port) as second:
            await until(lambda: max(platform.ledger()[boot]) >= arrived + waiting - 1)
            await until(lambda: len(platform.ledger()) == 2 and len(platform.samples(P1)) > waiting + 3)
            second.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(60):
                assert await second.process.wait() == 0
        assert not any(platform.lost().values())
        told = platform.events("boot_began")
        assert [one.seq for one in told] == [1] * len(told)
        previous = {one.boot: one.previous for one in told}
        assert previous.pop(boot) is None
        [after] = previous.values()
        assert after is not None
        assert (after.boot, after.seq) == (boot, max(platform.ledger()[boot]))


async def test_a_killed_agent_loses_nothing_that_it_had_gathered(broker: Broker, tmp_path: Path) -> None:
    """Killed with -9 long before its bundle is due: the next boot publishes what was gathered, each second once."""
    await broker.add_device("pi-1")
    gather = Parameters(reading_interval_s=1, publish_interval_s=60)
    async with (
        PlatformSide(broker, "pi-1", parameters=gather) as platform,
        RecordingMeter(serial="E0044007133156018", gas_serial="") as meter,
    ):
        async with process(platform, tmp_path / "data", meter.port, broker.port) as first:
            count = await first.until_metric("wattline_device_samples_total", 4)
            # two seconds on, and so past many syncs
            await first.until_metric("wattline_device_samples_total", count + 2)
            first.process.send_signal(signal.SIGKILL)
            await first.process.wait()
        # held frames are published at once when the spec comes; the rest waits for its bundle
        early = len(platform.samples(P1))
        assert early < count
        async with process(platform, tmp_path / "data", meter.port, broker.port):
            await until(
                lambda: platform.events("gathered_recovered") and len(platform.samples(P1)) > early, timeout_s=60
            )
        [told] = platform.events("gathered_recovered")
        times = sorted(round(sample.at.timestamp()) for _, sample in platform.samples(P1))
        assert len(times) == len(set(times)) == early + told.detail["samples"] >= count
        assert platform.readings[-1].boot == told.boot
        assert times == meter.seconds(times[0], times[-1]), "a second is missing"
        assert not any(platform.lost().values())


async def test_an_agent_on_a_full_disk_goes_on_and_says_so(broker: Broker, tmp_path: Path) -> None:
    """With no file allowed to grow beyond 3 KB the meter is read on, health says why it is ill, events tell it."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        SimulatedP1Meter(serial="E0044007133156018", gas_serial="") as meter,
        TcpProxy(broker.host, broker.port) as proxy,
    ):
        async with process(platform, tmp_path / "data", meter.port, proxy.port) as running:
            await until(lambda: platform.samples(P1))
            await proxy.cut()
            psutil.Process(running.process.pid).rlimit(psutil.RLIMIT_FSIZE, (3000, 3000))
            await running.until_metric("wattline_device_disk_errors", 1, 60)
            await proxy.restore()
            await until(lambda: platform.events("outbox_disk_error"))
            count = len(platform.samples(P1))
            await until(lambda: len(platform.samples(P1)) > count + 2)
            assert running.process.returncode is None
        assert not any(platform.lost().values())


async def test_an_agent_stays_small(broker: Broker, tmp_path: Path) -> None:
    """Reading a meter each second it takes about 50 MiB of memory: 50.1 where this was written."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        SimulatedP1Meter(serial="E0044007133156018") as meter,
        process(platform, tmp_path / "data", meter.port, broker.port, executed=True) as running,
    ):
        await until(lambda: len(platform.samples(P1)) > 3)
        rss_mib = psutil.Process(running.process.pid).memory_info().rss / 2**20
        print(f"agent_rss_mib {rss_mib:.1f}")  # noqa: T201 - docs/DEVICE.md states it
        assert rss_mib < 51, f"{rss_mib:.1f} MiB"
