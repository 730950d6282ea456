"""What one agent costs: memory and CPU with a meter that pushes each second."""

import asyncio
import contextlib
import secrets
from pathlib import Path

import psutil

from deploy.demo.processes import Service, running
from deploy.local.stack import LocalStack
from device.simulator import SimulatedP1Meter

WARM_UP_S = 8.0
WATCH_S = 12.0


async def measure_agent(stack: LocalStack, folder: Path) -> tuple[float, float]:
    """Resident memory in MiB and CPU in percent of a core, of an agent that decodes a P1 telegram each second."""
    name = "bench-agent"
    await stack.mosquitto.add_user(name, secrets.token_urlsafe(24))
    data = folder / name
    data.mkdir(exist_ok=True)
    async with contextlib.AsyncExitStack() as exits:
        meter = await exits.enter_async_context(SimulatedP1Meter(serial="E0044007133156018", seed=1, interval_s=1.0))
        environment = {
            "WATTLINE_DEVICE_BROKER__HOST": stack.mosquitto.host,
            "WATTLINE_DEVICE_BROKER__PORT": str(stack.mosquitto.port),
            "WATTLINE_DEVICE_BROKER__USERNAME": name,
            "WATTLINE_DEVICE_BROKER__PASSWORD": stack.mosquitto.credentials[name],
            "WATTLINE_DEVICE_DEVICE_ID": name,
            "WATTLINE_DEVICE_HTTP_PORT": "0",
            "WATTLINE_DEVICE_DATA_FOLDER": str(data),
            "WATTLINE_DEVICE_PORTS": str(meter.port),
        }
        agent = await exits.enter_async_context(running(Service(name, ["device"], environment, folder)))
        await asyncio.sleep(WARM_UP_S)
        agent.check()
        process = psutil.Process(agent.pid)
        before = sum(process.cpu_times()[:2])
        await asyncio.sleep(WATCH_S)
        agent.check()
        spent = sum(process.cpu_times()[:2]) - before
        return process.memory_info().rss / 2**20, spent / WATCH_S * 100
