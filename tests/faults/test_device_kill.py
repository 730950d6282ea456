"""The agent as a process: killed with -9, on a full disk, and how much memory it takes."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import psutil
from aiohttp import ClientSession

from broker.messages import Parameters
from device.simulator import SimulatedP1Meter
from tests.faults.proxy import TcpProxy
from tests.integration.agent_rig import QUICK, Desk, until
from tests.servers import Broker

P1 = "ISK:E0044007133156018"
ROOT = Path(__file__).resolve().parents[2]


class Process:
    """An agent process; `metric` reads one of its metrics."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[str] = []

    async def follow(self) -> None:
        """Take its log, which goes to a pipe: a file would fill up with its disk."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line.decode())

    async def metric(self, name: str) -> float:
        """The sum of a metric over its labels, 0 before it answers."""
        found = [json.loads(line)["port"] for line in self.log if '"http_listening"' in line]
        if not found:
            return 0.0
        port = found[0]
        async with ClientSession() as client, client.get(f"http://127.0.0.1:{port}/metrics") as response:
            text = await response.text()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    async def until_metric(self, name: str, least: float, timeout_s: float = 60) -> float:
        """Wait until a metric has this value at least."""
        async with asyncio.timeout(timeout_s):
            while (value := await self.metric(name)) < least:
                assert self.process.returncode is None, "".join(self.log)
                await asyncio.sleep(0.1)
        return value


@contextlib.asynccontextmanager
async def process(desk: Desk, folder: Path, serial_port: str, broker_port: int) -> AsyncIterator[Process]:
    """Run `python -m device`; leaving kills it if it still runs."""
    environment = {
        **os.environ,
        "WATTLINE_DEVICE_BROKER__PORT": str(broker_port),
        "WATTLINE_DEVICE_BROKER__USERNAME": desk.device,
        "WATTLINE_DEVICE_BROKER__PASSWORD": desk.broker.password(desk.device),
        "WATTLINE_DEVICE_BROKER__ROOT": desk.broker.topics.root,
        "WATTLINE_DEVICE_DEVICE_ID": desk.device,
        "WATTLINE_DEVICE_DATA_FOLDER": str(folder),
        "WATTLINE_DEVICE_PORTS": serial_port,
        "WATTLINE_DEVICE_LOG_FORMAT": "json",
        "WATTLINE_DEVICE_SYNC_S": "0.1",
        **{f"WATTLINE_DEVICE_DETECTION__{name.upper()}": str(value) for name, value in QUICK.items()},
    }
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "device", cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE
    )
    running = Process(started)
    follower = asyncio.create_task(running.follow())
    try:
        yield running
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
        await follower


async def test_a_killed_agent_loses_nothing_that_was_synced(broker: Broker, tmp_path: Path) -> None:
    """Killed with -9 in an outage: all that was in the outbox arrives later, of both boots, without a gap."""
    await broker.add_device("pi-1")
    async with (
        Desk(broker, "pi-1") as desk,
        SimulatedP1Meter(serial="E0044007133156018", gas_serial="") as meter,
        TcpProxy(broker.host, broker.port) as proxy,
    ):
        folder = tmp_path / "data"
        async with process(desk, folder, meter.port, proxy.port) as first:
            await until(lambda: desk.samples(P1), 30)
            await proxy.cut()
            waiting = await first.until_metric("wattline_device_outbox_messages", 4)
            await asyncio.sleep(0.3)
            first.process.send_signal(signal.SIGKILL)
            await first.process.wait()
        [boot] = desk.ledger()
        arrived = max(desk.ledger()[boot])
        await proxy.restore()
        async with process(desk, folder, meter.port, proxy.port) as second:
            await until(lambda: max(desk.ledger()[boot]) >= arrived + waiting - 1, 30)
            await until(lambda: len(desk.ledger()) == 2 and len(desk.samples(P1)) > waiting + 3, 30)
            second.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(60):
                assert await second.process.wait() == 0
        assert not any(desk.lost().values())
        told = desk.events("boot_began")
        assert [one.seq for one in told] == [1] * len(told)
        previous = {one.boot: one.previous for one in told}
        assert previous.pop(boot) is None
        [after] = previous.values()
        assert after is not None
        assert (after.boot, after.seq) == (boot, max(desk.ledger()[boot]))


async def test_a_killed_agent_loses_nothing_that_it_had_gathered(broker: Broker, tmp_path: Path) -> None:
    """Killed with -9 long before its bundle is due: the next boot publishes what was gathered, each second once."""
    await broker.add_device("pi-1")
    gather = Parameters(reading_interval_s=1, publish_interval_s=60)
    async with (
        Desk(broker, "pi-1", parameters=gather) as desk,
        SimulatedP1Meter(serial="E0044007133156018", gas_serial="") as meter,
    ):
        async with process(desk, tmp_path / "data", meter.port, broker.port) as first:
            count = await first.until_metric("wattline_device_samples_total", 4)
            # two seconds on, and so past many syncs
            await first.until_metric("wattline_device_samples_total", count + 2)
            first.process.send_signal(signal.SIGKILL)
            await first.process.wait()
        # held frames are published at once when the spec comes; the rest waits for its bundle
        early = len(desk.samples(P1))
        assert early < count
        async with process(desk, tmp_path / "data", meter.port, broker.port):
            await until(lambda: desk.events("gathered_recovered") and len(desk.samples(P1)) > early, 30)
        [told] = desk.events("gathered_recovered")
        times = [sample.at for _, sample in desk.samples(P1)]
        assert len(times) == len(set(times)) == early + told.detail["samples"] >= count
        assert desk.readings[-1].boot == told.boot
        assert max(b - a for a, b in itertools.pairwise(sorted(times))) < timedelta(seconds=2.5)
        assert not any(desk.lost().values())


async def test_an_agent_on_a_full_disk_goes_on_and_says_so(broker: Broker, tmp_path: Path) -> None:
    """With no file allowed to grow beyond 3 KB the meter is read on, health says why it is ill, events tell it."""
    await broker.add_device("pi-1")
    async with (
        Desk(broker, "pi-1") as desk,
        SimulatedP1Meter(serial="E0044007133156018", gas_serial="") as meter,
        TcpProxy(broker.host, broker.port) as proxy,
    ):
        async with process(desk, tmp_path / "data", meter.port, proxy.port) as running:
            await until(lambda: desk.samples(P1), 30)
            await proxy.cut()
            psutil.Process(running.process.pid).rlimit(psutil.RLIMIT_FSIZE, (3000, 3000))
            await running.until_metric("wattline_device_disk_errors", 1, 60)
            await proxy.restore()
            await until(lambda: desk.events("outbox_disk_error"), 30)
            count = len(desk.samples(P1))
            await until(lambda: len(desk.samples(P1)) > count + 2, 30)
            assert running.process.returncode is None
        assert not any(desk.lost().values())


async def test_an_agent_stays_small(broker: Broker, tmp_path: Path) -> None:
    """Reading a meter each second it takes less than 50 MiB of memory."""
    await broker.add_device("pi-1")
    async with (
        Desk(broker, "pi-1") as desk,
        SimulatedP1Meter(serial="E0044007133156018") as meter,
        process(desk, tmp_path / "data", meter.port, broker.port) as running,
    ):
        await until(lambda: len(desk.samples(P1)) > 3, 30)
        rss_mib = psutil.Process(running.process.pid).memory_info().rss / 2**20
        print(f"agent_rss_mib {rss_mib:.1f}")  # noqa: T201 - docs/DEVICE.md states it
        assert rss_mib < 50, f"{rss_mib:.1f} MiB"
