"""The whole platform over several nodes: three of the broker, two of the database, two ingestors, gateway, agents."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from broker.errors import PermanentError
from deploy.demo.http import Api
from deploy.local.process import free_port
from deploy.local.runs import run_folder
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import Toolchain
from store.migrate import migrate
from tests.chaos.count import missing
from tests.chaos.link import Link
from tests.chaos.meters import two_meters
from tests.chaos.plan import DEVICES, Plan
from tests.chaos.service import Process
from tests.chaos.stack import PARAMETERS, Agent, Ingestor, Stack
from tests.chaos.truth import Truth
from tests.cluster import patroni, rmqtt

STEADY_S: Final = 120.0
SETTLED_S: Final = 4.0
TOKEN: Final = "cluster-token"
NONE: Any = None


@dataclass(frozen=True, slots=True)
class Ground:
    """The programs."""

    toolchain: Toolchain
    rmqttd: Path
    patroni: Path
    settings: LocalSettings


@dataclass
class ClusterStack(Stack):
    """A stack whose broker and database are clusters; services are reached without links between."""

    mqtt: rmqtt.Cluster = NONE
    postgres: patroni.Cluster = NONE
    notes: dict[str, float] = field(default_factory=dict)
    """What a fault measured beside the count."""
    worker: Process | None = None

    @property
    def processes(self) -> list[Process]:
        """All services, the worker too."""
        return [*super().processes, self.worker] if self.worker is not None else super().processes

    @property
    def links(self) -> list[Link]:
        """None: here whole nodes fail."""
        return []

    async def query(self, sql: str, *arguments: Any) -> list[Any]:
        """Ask whichever node is the primary."""
        return await self.postgres.query(sql, *arguments)


@contextlib.asynccontextmanager
async def stack(ground: Ground, rng: random.Random) -> AsyncIterator[ClusterStack]:
    """A stack under steady load; leaving ends it and removes all that it wrote."""
    async with contextlib.AsyncExitStack() as exits:
        folder = exits.enter_context(run_folder(ground.settings.runs, None, keep=False))
        folder.chmod(0o755)
        mqtt = rmqtt.Cluster(ground.rmqttd, folder, DEVICES)
        postgres = patroni.Cluster(ground.toolchain, ground.patroni, folder)
        exits.push_async_callback(mqtt.kill)
        exits.push_async_callback(postgres.kill)
        await asyncio.gather(mqtt.start(), postgres.start())
        await postgres.query("CREATE DATABASE wattline", database="postgres")
        await migrate(postgres.dsn())
        truth = exits.enter_context(Truth(folder / "truth.jsonl"))
        built = ClusterStack(Plan(ingestors=2), rng, folder, truth, NONE, NONE, {}, mqtt=mqtt, postgres=postgres)
        await _services(exits, built)
        await _start(exits, built)
        yield built


async def _services(exits: contextlib.AsyncExitStack, built: ClusterStack) -> None:
    logs = built.folder / "logs"
    logs.mkdir()
    for number in range(built.plan.ingestors):
        process = _service(built, logs, "ingestor", f"ingestor-{number}", number)
        process.environment |= {
            "WATTLINE_INGESTOR_CLIENT_ID": process.name,
            "WATTLINE_INGESTOR_SHARE_GROUP": "cluster",
            "WATTLINE_INGESTOR_DATABASE_DSN": built.postgres.dsn(user="wattline_ingestor"),
        }
        built.ingestors.append(Ingestor(process, NONE, NONE))
    built.gateway = _service(built, logs, "gateway", "gateway", built.plan.ingestors)
    built.gateway.environment |= {
        "WATTLINE_GATEWAY_DATABASE_DSN": built.postgres.dsn(user="wattline_gateway"),
        "WATTLINE_GATEWAY_API_TOKEN": TOKEN,
    }
    built.worker = Process("worker", ["worker"], {}, logs, free_port())
    built.worker.environment |= {
        "WATTLINE_WORKER_DATABASE_DSN": built.postgres.dsn(user="wattline_ingestor"),
        "WATTLINE_WORKER_HTTP_PORT": built.worker.url.rpartition(":")[2],
        "WATTLINE_WORKER_LOG_FORMAT": "json",
    }
    for number, name in enumerate(DEVICES, 1):
        meters = two_meters(built.truth, number)
        for meter in meters:
            await exits.enter_async_context(meter)
        process = _service(built, logs, "device", name, number)
        folder = built.folder / name
        folder.mkdir()
        process.environment |= {
            "WATTLINE_DEVICE_DEVICE_ID": name,
            "WATTLINE_DEVICE_DATA_FOLDER": str(folder),
            "WATTLINE_DEVICE_PORTS": ",".join(str(meter.port) for meter in meters),
            "WATTLINE_DEVICE_DETECTION__QUICK_S": "1.5",
        }
        built.agents.append(Agent(name, process, meters, NONE, folder))
    for process in built.processes:
        exits.push_async_callback(process.kill)


def _service(built: ClusterStack, logs: Path, kind: str, name: str, node: int) -> Process:
    """A service that knows all broker nodes and begins with this one; which an agent begins with, its id decides."""
    port, prefix = free_port(), f"WATTLINE_{kind.upper()}_"
    user = name if kind == "device" else kind
    environment = {
        f"{prefix}BROKER__HOST": built.mqtt.host(node),
        f"{prefix}BROKER__USERNAME": user,
        f"{prefix}BROKER__PASSWORD": built.mqtt.credentials[user],
        f"{prefix}HTTP_PORT": str(port),
        f"{prefix}LOG_FORMAT": "json",
    }
    return Process(name, [kind], environment, logs, port)


async def _start(exits: contextlib.AsyncExitStack, built: ClusterStack) -> None:
    assert built.gateway is not None
    for one in built.ingestors:
        await one.process.start()
    assert built.worker is not None
    await built.worker.start()
    await built.gateway.start()
    await built.gateway.until_healthy()
    api = await exits.enter_async_context(Api(built.gateway.url, TOKEN))
    await api.patch("/parameters", PARAMETERS)
    built.speak()
    for agent in built.agents:
        for meter in agent.meters:
            built.truth.unheard(meter.key, 0, float("inf"))
        await built.start_agent(agent)
    supervisor = asyncio.create_task(built.supervise(), name="cluster.supervise")
    exits.callback(supervisor.cancel)
    await _steady(built)


async def _steady(built: ClusterStack) -> None:
    deadline = time.monotonic() + STEADY_S
    while not await _flows(built):
        if time.monotonic() > deadline:
            tails = {process.name: process.log.read_text(errors="replace")[-900:] for process in built.processes}
            raise PermanentError(f"no steady load within {STEADY_S:.0f} s: {tails}")
        await asyncio.sleep(0.5)
    for deaf in built.truth.deaf:
        deaf.to_s, deaf.exact = time.time(), True


async def _flows(built: ClusterStack) -> bool:
    until_s = time.time() - SETTLED_S
    late = await missing(built, until_s - SETTLED_S, until_s)
    return not late and all(deaf.to_s < until_s - SETTLED_S for deaf in built.truth.deaf)
