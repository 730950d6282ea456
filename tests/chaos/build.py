"""How a stack is put together from its plan, and taken apart."""

import asyncio
import contextlib
import random
import secrets
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker.errors import PermanentError
from deploy.demo.http import Api
from deploy.local.process import free_port, own
from deploy.local.runs import run_folder
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import Toolchain
from tests.chaos.count import missing
from tests.chaos.disks import SIZES_MIB, Disk
from tests.chaos.link import Link
from tests.chaos.meters import two_meters
from tests.chaos.plan import DEVICES, Plan
from tests.chaos.service import Process, faketime
from tests.chaos.stack import PARAMETERS, Agent, Broker, Ingestor, Stack
from tests.chaos.template import copied
from tests.chaos.truth import Truth

STEADY_S: Final = 120.0
SETTLED_S: Final = 4.0
TOKEN: Final = "chaos-token-of-the-local-stack"


@dataclass(frozen=True, slots=True)
class Ground:
    """What all stacks stand on: the servers' programs, the migrated database to copy, the settings."""

    toolchain: Toolchain
    template: Path
    settings: LocalSettings


@contextlib.asynccontextmanager
async def stack(ground: Ground, plan: Plan, rng: random.Random) -> AsyncIterator[Stack]:
    """A stack that runs under steady load; leaving ends it and removes all that it wrote."""
    async with contextlib.AsyncExitStack() as exits:
        folder = exits.enter_context(run_folder(ground.settings.runs, None, keep=False))
        folder.chmod(0o755)
        disks = {name: _disk(exits, name, folder) for name in sorted(plan.small_disks)}
        built = await asyncio.to_thread(_servers, exits, ground, plan, rng, folder, disks)
        await asyncio.gather(built.database.start(), built.broker.start())
        await _services(exits, built)
        for process in built.processes:
            exits.push_async_callback(process.kill)
        for name in plan.own_clocks:
            process = next(one for one in built.processes if one.name == name)
            process.own_clock(await asyncio.to_thread(faketime, ground.settings, print))
        await start(exits, built)
        yield built


def _disk(exits: contextlib.AsyncExitStack, name: str, folder: Path) -> Disk:
    places = {"outbox": folder / DEVICES[0], "database": folder / "postgres", "broker": folder / "mosquitto"}
    disk = Disk(places.get(name, folder / name), SIZES_MIB[name])
    disk.mount()
    own(disk.folder)
    exits.callback(disk.unmount)
    return disk


def _servers(
    exits: contextlib.AsyncExitStack,
    ground: Ground,
    plan: Plan,
    rng: random.Random,
    folder: Path,
    disks: dict[str, Disk],
) -> Stack:
    database = copied(ground.toolchain, ground.template, folder / "postgres", ground.settings, plan.database)
    if "wal" in disks:
        wal = folder / "postgres" / "pg_wal"
        _move(wal, disks["wal"].folder / "pg_wal")
    users = {device: secrets.token_urlsafe(16) for device in (*DEVICES, "stranger")}
    broker = Broker(ground.toolchain, folder / "mosquitto", users=users)
    broker.changes = dict(plan.broker)
    exits.push_async_callback(broker.kill)
    exits.push_async_callback(database.kill)
    truth = exits.enter_context(Truth(folder / "truth.jsonl"))
    return Stack(plan, rng, folder, truth, broker, database, disks)


def _move(wal: Path, to: Path) -> None:
    """Let the write-ahead log lie elsewhere, as initdb's --waldir does."""
    subprocess.run(["cp", "-a", str(wal), str(to)], check=True)
    shutil.rmtree(wal)
    wal.symlink_to(to)


async def _services(exits: contextlib.AsyncExitStack, built: Stack) -> None:
    """Links and processes, the latter not started; meters plugged in, silent."""
    logs = built.folder / "logs"
    logs.mkdir()

    async def link(host: str, port: int) -> Link:
        made = Link(host, port, built.rng)
        await made.restore()
        return made

    exits.push_async_callback(_end_links, built)
    for number in range(built.plan.ingestors):
        port = free_port()
        process = Process(f"wattline-ingestor-{number}", ["ingestor"], {}, logs, port)
        made = Ingestor(
            process,
            await link(built.broker.host, built.broker.port),
            await link(built.database.host, built.database.port),
        )
        group = {"WATTLINE_INGESTOR_SHARE_GROUP": "chaos"} if built.plan.ingestors > 1 else {}
        process.environment |= {
            **built.ingestor_addresses(made),
            **_user(built, "ingestor", "ingestor"),
            "WATTLINE_INGESTOR_CLIENT_ID": process.name,
            "WATTLINE_INGESTOR_HTTP_PORT": str(port),
            **group,
            **{f"WATTLINE_INGESTOR_{name}": value for name, value in built.plan.ingestor.items()},
        }
        built.ingestors.append(made)
    to_broker, to_database = (
        await link(built.broker.host, built.broker.port),
        await link(built.database.host, built.database.port),
    )
    built.gateway_links = (to_broker, to_database)
    built.gateway = _gateway(built, logs, to_broker, to_database)
    for number, name in enumerate(DEVICES, 1):
        own_link = await link(built.broker.host, built.broker.port)
        await add_agent(exits, built, number, own_link, _to_broker(built, name, own_link))


def _user(built: Stack, service: str, user: str) -> dict[str, str]:
    prefix = f"WATTLINE_{service.upper()}_"
    return {
        f"{prefix}BROKER__USERNAME": user,
        f"{prefix}BROKER__PASSWORD": built.broker.credentials[user],
        f"{prefix}LOG_FORMAT": "json",
    }


def _gateway(built: Stack, logs: Path, to_broker: Link, to_database: Link) -> Process:
    port = free_port()
    environment = _user(built, "gateway", "gateway") | {
        "WATTLINE_GATEWAY_BROKER__HOST": to_broker.host,
        "WATTLINE_GATEWAY_BROKER__PORT": str(to_broker.port),
        "WATTLINE_GATEWAY_DATABASE_DSN": f"postgresql://wattline_gateway@{to_database.host}:{to_database.port}/wattline",
        "WATTLINE_GATEWAY_HTTP_PORT": str(port),
        "WATTLINE_GATEWAY_API_TOKEN": TOKEN,
    }
    return Process("gateway", ["gateway"], environment, logs, port)


def _to_broker(built: Stack, name: str, link: Link) -> dict[str, str]:
    return _user(built, "device", name) | {
        "WATTLINE_DEVICE_BROKER__HOST": link.host,
        "WATTLINE_DEVICE_BROKER__PORT": str(link.port),
        **{f"WATTLINE_DEVICE_{key}": value for key, value in built.plan.device.items()},
    }


async def add_agent(
    exits: contextlib.AsyncExitStack, built: Stack, number: int, link: Link, to_broker: dict[str, str]
) -> None:
    """The device of this number (from 1) with its two meters plugged in, silent, and its agent, not started.

    `to_broker` is how it reaches the broker, and what else its plan sets.
    """
    name, port = DEVICES[number - 1], free_port()
    meters = two_meters(built.truth, number)
    for meter in meters:
        await exits.enter_async_context(meter)
    folder = built.folder / name
    folder.mkdir(exist_ok=True)
    environment = {
        "WATTLINE_DEVICE_DEVICE_ID": name,
        "WATTLINE_DEVICE_DATA_FOLDER": str(folder),
        "WATTLINE_DEVICE_PORTS": ",".join(str(meter.port) for meter in meters),
        "WATTLINE_DEVICE_HTTP_PORT": str(port),
        "WATTLINE_DEVICE_DETECTION__QUICK_S": "1.5",
        **to_broker,
    }
    process = Process(name, ["device"], environment, built.folder / "logs", port)
    built.agents.append(Agent(name, process, meters, link, folder))


async def start(exits: contextlib.AsyncExitStack, built: Stack) -> None:
    """Start the services, let the meters speak, and wait for steady load; leaving ends the supervision."""
    assert built.gateway is not None
    if built.plan.ingestors_start:
        for one in built.ingestors:
            await one.process.start()
    for process in built.beside:
        await process.start()
    await built.gateway.start()
    await built.gateway.until_healthy()
    api = await exits.enter_async_context(Api(built.gateway.url, TOKEN))
    await api.patch("/parameters", PARAMETERS)
    built.speak()
    for agent in built.agents:
        for meter in agent.meters:
            built.truth.unheard(meter.key, 0, float("inf"))
        await built.start_agent(agent)
    supervisor = asyncio.create_task(built.supervise(), name="chaos.supervise")
    exits.callback(supervisor.cancel)
    await _steady(built)


async def _steady(built: Stack) -> None:
    """Wait until the load flows: what the meters gave is stored, or published where no ingestor is to run yet."""
    deadline = time.monotonic() + STEADY_S
    while not await _flows(built):
        if time.monotonic() > deadline:
            tails = {process.name: process.log.read_text(errors="replace")[-600:] for process in built.processes}
            raise PermanentError(f"no steady load within {STEADY_S:.0f} s: {tails}")
        await asyncio.sleep(0.3)
    for deaf in built.truth.deaf:
        deaf.to_s, deaf.exact = time.time(), True


async def _flows(built: Stack) -> bool:
    if built.plan.ingestors_start:
        until_s = time.time() - SETTLED_S
        late = await missing(built, until_s - SETTLED_S, until_s)
        return not late and all(deaf.to_s < until_s - SETTLED_S for deaf in built.truth.deaf)
    # without an ingestor the broker has nobody to take a message for, and an agent may keep what it sends
    waiting = [await agent.process.metric("wattline_device_outbox_messages") or 0 for agent in built.agents]
    published = [await agent.process.metric("wattline_device_pubacks_total") or 0 for agent in built.agents]
    return all(sum(one) > 10 for one in zip(waiting, published, strict=True))


async def _end_links(built: Stack) -> None:
    for link in built.links:
        await link.come_back()
        await link.cut()
