"""The agent as a process of its own."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import ClientSession

from tests.rigs import forking
from tests.rigs.agent import QUICK, PlatformSide

P1 = "ISK:E0044007133156018"


ROOT = Path(__file__).resolve().parents[2]
SYNC_S = 0.1
"""How long the agent lets what it appended wait for the disk."""


class Process:
    """An agent process; `metric` reads one of its metrics."""

    def __init__(self, process: forking.Process) -> None:
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
async def process(
    platform: PlatformSide,
    folder: Path,
    serial_port: str,
    broker_port: int,
    *,
    tree: Path = ROOT,
    executed: bool = False,
) -> AsyncIterator[Process]:
    """Run `python -m device` of a tree; leaving kills it if it still runs."""
    environment = {
        **os.environ,
        "WATTLINE_DEVICE_BROKER__PORT": str(broker_port),
        "WATTLINE_DEVICE_BROKER__USERNAME": platform.device,
        "WATTLINE_DEVICE_BROKER__PASSWORD": platform.broker.password(platform.device),
        "WATTLINE_DEVICE_BROKER__ROOT": platform.broker.topics.root,
        "WATTLINE_DEVICE_DEVICE_ID": platform.device,
        "WATTLINE_DEVICE_DATA_FOLDER": str(folder),
        "WATTLINE_DEVICE_PORTS": serial_port,
        "WATTLINE_DEVICE_LOG_FORMAT": "json",
        "WATTLINE_DEVICE_SYNC_S": str(SYNC_S),
        **{f"WATTLINE_DEVICE_DETECTION__{name.upper()}": str(value) for name, value in QUICK.items()},
    }
    started = await forking.start("device", cwd=tree, env=environment, stderr=forking.PIPE, executed=executed)
    running = Process(started)
    follower = asyncio.create_task(running.follow())
    try:
        yield running
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
        await follower
