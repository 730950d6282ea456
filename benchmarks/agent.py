"""What one agent costs: memory, CPU and its disk, with a meter that pushes each second and is decoded.

Alone: `python -m benchmarks.agent`, which prints the figures as JSON.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil
from pydantic import BaseModel, ConfigDict, SecretStr

from broker.contract.messages import Desired, MeterConfig, Parameters, Readings, SpecMessage
from broker.contract.topics import DELIVERY, Kind, Topics
from broker.mqtt.session import Publication, Session, SessionOptions
from broker.runtime.settings import BrokerAddress
from deploy.demo.processes import Service, running
from deploy.local.process import free_port
from deploy.local.stack import LocalStack
from device.simulator import SimulatedP1Meter
from meters.specs.catalogue import catalogue
from meters.specs.spec import digest, spec_document

NAME = "bench-agent"
METER = "ISK:E0044007133156018"
SPEC = "iskra-2m550"
WATCH_S = 60.0
"""Six bundles of the default publish interval."""


class AgentResult(BaseModel):
    """`written` is what the kernel was given for the disk in whole pages, `payload` what was published of readings."""

    model_config = ConfigDict(frozen=True)

    rss_mib: float
    cpu_percent: float
    """Of one core."""
    syncs_a_minute: float
    written_bytes_a_reading: float
    payload_bytes_a_reading: float
    telegrams: int


@dataclass
class _Heard:
    """What arrives of the agent's readings."""

    samples: int = 0
    octets: int = 0
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self, session: Session) -> None:
        async for message in session.messages():
            self.samples += len(Readings.parse(message.payload).samples)
            self.octets += len(message.payload)
            self.began.set()
            message.ack()


async def measure_agent(stack: LocalStack, folder: Path, publish_interval_s: float = 10.0) -> AgentResult:
    """Measure an agent that takes a P1 telegram each second and publishes each, gathered for the publish interval."""
    await stack.mosquitto.add_user(NAME, secrets.token_urlsafe(24))
    port, data, heard = free_port(), folder / NAME, _Heard()
    data.mkdir(exist_ok=True)
    async with contextlib.AsyncExitStack() as exits:
        await exits.enter_async_context(_platform(stack, heard, publish_interval_s))
        meter = await exits.enter_async_context(SimulatedP1Meter(serial=METER[4:], seed=1, interval_s=1.0))
        http = await exits.enter_async_context(aiohttp.ClientSession())
        service = Service(NAME, ["device"], _environment(stack, data, str(meter.port), port), folder)
        agent = await exits.enter_async_context(running(service))
        async with asyncio.timeout(300):
            await heard.began.wait()
            heard.began.clear()
            await heard.began.wait()
        process = psutil.Process(agent.pid)
        before = process.cpu_times(), process.io_counters(), await _metrics(http, port)
        await asyncio.sleep(WATCH_S)
        agent.check()
        after = process.cpu_times(), process.io_counters(), await _metrics(http, port)
        taken = after[2]["samples"] - before[2]["samples"]
        return AgentResult(
            rss_mib=round(process.memory_info().rss / 2**20, 1),
            cpu_percent=round((sum(after[0][:2]) - sum(before[0][:2])) / WATCH_S * 100, 2),
            syncs_a_minute=round((after[2]["syncs"] - before[2]["syncs"]) / WATCH_S * 60, 1),
            written_bytes_a_reading=round((after[1].write_bytes - before[1].write_bytes) / taken),
            payload_bytes_a_reading=round(heard.octets / heard.samples),
            telegrams=int(taken),
        )


@contextlib.asynccontextmanager
async def _platform(stack: LocalStack, heard: _Heard, publish_interval_s: float) -> AsyncIterator[None]:
    """The gateway's part: the meter's spec and its parameters, retained; and somebody who takes the readings."""
    topics = Topics()
    address = BrokerAddress(host=stack.mosquitto.host, port=stack.mosquitto.port)

    def as_role(role: str, *filters: tuple[str, int]) -> Session:
        login = {"username": role, "password": SecretStr(stack.mosquitto.credentials[role])}
        return Session(address.model_copy(update=login), SessionOptions(f"bench-{role}", subscriptions=filters))

    spec = next(spec for spec in catalogue() if spec.name == SPEC)
    message = SpecMessage(spec=spec.name, version=spec.version, sha256=digest(spec), document=spec_document(spec))
    parameters = Parameters(reading_interval_s=1, publish_interval_s=publish_interval_s)
    desired = Desired(version=1, parameters=parameters, meters={METER: MeterConfig(spec=spec.ref)}).sealed()
    async with as_role("gateway") as gateway, as_role("monitor", (topics.of(Kind.READINGS, NAME), 1)) as monitor:
        retain = DELIVERY[Kind.DESIRED].retain
        await gateway.publish(Publication(topics.spec(spec.name, spec.version), message.payload(), retain=retain))
        await gateway.publish(Publication(topics.of(Kind.DESIRED, NAME), desired.payload(), retain=retain))
        listening = asyncio.create_task(heard.listen(monitor))
        yield
        listening.cancel()
        await asyncio.wait({listening})


def _environment(stack: LocalStack, data: Path, serial_port: str, http_port: int) -> dict[str, str]:
    settings = {
        "BROKER__HOST": stack.mosquitto.host,
        "BROKER__PORT": str(stack.mosquitto.port),
        "BROKER__USERNAME": NAME,
        "BROKER__PASSWORD": stack.mosquitto.credentials[NAME],
        "DEVICE_ID": NAME,
        "HTTP_PORT": str(http_port),
        "DATA_FOLDER": str(data),
        "PORTS": serial_port,
    }
    return {f"WATTLINE_DEVICE_{name}": value for name, value in settings.items()}


async def _metrics(http: aiohttp.ClientSession, port: int) -> dict[str, float]:
    """Samples taken of the meter itself and syncs so far."""
    async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    values = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}
    return {
        "samples": sum(value for name, value in values.items() if name.startswith("wattline_device_samples_total")),
        "syncs": values["wattline_device_syncs_total"],
    }


async def _alone() -> None:
    async with LocalStack.start() as stack:
        for interval_s in (10.0, 60.0):
            folder = stack.folder / f"agent-{interval_s:.0f}"
            folder.mkdir()
            result = await measure_agent(stack, folder, interval_s)
            print(f'{{"publish_interval_s": {interval_s}, "agent": {result.model_dump_json()}}}')


if __name__ == "__main__":
    asyncio.run(_alone())
