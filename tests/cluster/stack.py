"""The whole platform over several nodes: three of the broker, two of the database, two ingestors, gateway, agents."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.process import free_port
from deploy.local.runs import run_folder
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import Toolchain
from store.migrate import migrate
from tests.chaos.build import TOKEN, add_agent, start
from tests.chaos.link import Link
from tests.chaos.plan import DEVICES, Plan
from tests.chaos.service import Process
from tests.chaos.stack import Ingestor, Stack
from tests.chaos.truth import Truth
from tests.cluster import patroni, rmqtt

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
        await start(exits, built)
        yield built


async def _services(exits: contextlib.AsyncExitStack, built: ClusterStack) -> None:
    logs = built.folder / "logs"
    logs.mkdir()
    for number in range(built.plan.ingestors):
        process = _service(built, logs, "ingestor", f"wattline-ingestor-{number}", number)
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
    worker = Process("worker", ["worker"], {}, logs, free_port())
    worker.environment |= {
        "WATTLINE_WORKER_DATABASE_DSN": built.postgres.dsn(user="wattline_ingestor"),
        "WATTLINE_WORKER_HTTP_PORT": worker.url.rpartition(":")[2],
        "WATTLINE_WORKER_LOG_FORMAT": "json",
    }
    built.beside.append(worker)
    for number, name in enumerate(DEVICES, 1):
        await add_agent(exits, built, number, NONE, _to_broker(built, "device", name, number))
    for process in built.processes:
        exits.push_async_callback(process.kill)


def _service(built: ClusterStack, logs: Path, kind: str, name: str, node: int) -> Process:
    port = free_port()
    environment = _to_broker(built, kind, kind, node) | {f"WATTLINE_{kind.upper()}_HTTP_PORT": str(port)}
    return Process(name, [kind], environment, logs, port)


def _to_broker(built: ClusterStack, kind: str, user: str, node: int) -> dict[str, str]:
    """All broker nodes, this one first; which an agent begins with, its id decides."""
    prefix = f"WATTLINE_{kind.upper()}_"
    return {
        f"{prefix}BROKER__HOST": built.mqtt.host(node),
        f"{prefix}BROKER__USERNAME": user,
        f"{prefix}BROKER__PASSWORD": built.mqtt.credentials[user],
        f"{prefix}LOG_FORMAT": "json",
    }
