"""The whole loop in one process for e2e tests: ingestor, gateway and agents on a test's broker and database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from pydantic import SecretStr

from deploy.local.process import free_port
from device.service import run as run_device
from device.settings import DetectionSettings, DeviceSettings
from gateway.service import run as run_gateway
from gateway.settings import GatewaySettings
from ingestor.service import run as run_ingestor
from ingestor.settings import IngestorSettings
from tests.rigs.servers import Broker, Database

TOKEN = "token-of-the-whole-loop-in-tests"


@dataclass(slots=True)
class Loop:
    """Running services, and a connection to look at what they stored."""

    broker: Broker
    database: Database
    connection: asyncpg.Connection
    api_url: str
    folder: Path
    tasks: asyncio.TaskGroup
    stops: list[asyncio.Event]
    running: dict[asyncio.Event, asyncio.Task[None]] = field(default_factory=dict)

    def start(self, name: str, run: Callable[[Any, asyncio.Event], Awaitable[None]], settings: Any) -> asyncio.Event:
        """Run a service until its event (returned) is set."""
        stop = asyncio.Event()

        async def main() -> None:
            await run(settings, stop)

        self.running[stop] = self.tasks.create_task(main(), name=name)
        self.stops.append(stop)
        return stop

    async def stopped(self, stop: asyncio.Event) -> None:
        """Stop a service and wait until it has ended: it holds its folder until then."""
        stop.set()
        await self.running[stop]

    async def start_agent(self, device: str, ports: tuple[str, ...], **settings: Any) -> asyncio.Event:
        """Let a device in and run its agent on these ports."""
        await self.broker.add_device(device)
        chosen = DeviceSettings(
            broker=self.broker.address(device),
            device_id=device,
            data_folder=self.folder / device,
            ports=ports,
            detection=DetectionSettings(quick_s=1.5, thorough_s=4.0),
            **settings,
        )
        return self.start(device, run_device, chosen)

    async def heard(self) -> None:
        """Wait until the gateway listens: before its very first connection nobody keeps a registration."""
        async with aiohttp.ClientSession() as http, asyncio.timeout(60):
            while True:
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    async with http.get(f"{self.api_url}/healthz") as answer:
                        if (await answer.json())["checks"].get("broker", {}).get("ok"):
                            return
                await asyncio.sleep(0.05)

    async def get(self, path: str, **query: str) -> Any:
        """What the API answers."""
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http,
            http.get(f"{self.api_url}/api/v1{path}", params=query) as answer,
        ):
            return await answer.json()

    async def eventually(self, query: str, *arguments: Any, within_s: float = 120.0) -> Any:
        """Ask until the query gives a true value; returns it. Fails with the last value after the deadline."""
        value = None
        try:
            async with asyncio.timeout(within_s):
                while not value:
                    value = await self.connection.fetchval(query, *arguments)
                    if not value:
                        await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"still {value!r} after {within_s} s: {query} {arguments}") from None
        return value


@contextlib.asynccontextmanager
async def whole_loop(broker: Broker, database: Database, folder: Path, **settings: Any) -> AsyncIterator[Loop]:
    """Ingestor and gateway (with these settings) up; leaving stops agents first, then them."""
    connection = await asyncpg.connect(database.dsn(), timeout=15)
    port = free_port()
    try:
        async with asyncio.TaskGroup() as tasks:
            loop = Loop(broker, database, connection, f"http://127.0.0.1:{port}", folder, tasks, [])
            unique = broker.topics.root.replace("/", "-")
            ingestor = IngestorSettings(
                broker=loop.broker.address("ingestor"),
                database_dsn=SecretStr(database.dsn("wattline_ingestor")),
                client_id=f"wattline-ingestor-{unique}",
            )
            gateway = GatewaySettings(
                broker=loop.broker.address("gateway"),
                database_dsn=SecretStr(database.dsn("wattline_gateway")),
                client_id=f"wattline-gateway-{unique}",
                http_port=port,
                api_token=SecretStr(TOKEN),
                **settings,
            )
            loop.start("ingestor", run_ingestor, ingestor)
            loop.start("gateway", run_gateway, gateway)
            try:
                await loop.heard()
                yield loop
            finally:
                for stop in reversed(loop.stops):
                    stop.set()
    finally:
        await connection.close(timeout=10)
