"""/healthz tells the truth about a database that is away, at the start and later."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
from pydantic import SecretStr

from deploy.local.process import free_port
from gateway.service import run as run_gateway
from gateway.settings import GatewaySettings
from ingestor.service import run as run_ingestor
from ingestor.settings import IngestorSettings
from tests.rigs.servers import Broker, Database

DEADLINE_S = 60.0
NOWHERE = SecretStr("postgresql://nobody@127.0.0.1:1/nothing")


@contextlib.asynccontextmanager
async def running(run: Callable[[Any, asyncio.Event], Awaitable[None]], settings: Any) -> AsyncIterator[str]:
    """A service while the context lasts; yields its address."""
    stop = asyncio.Event()

    async def main() -> None:
        await run(settings, stop)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(main())
        try:
            yield f"http://127.0.0.1:{settings.http_port}"
        finally:
            stop.set()


async def checks(url: str, status: int) -> dict[str, Any]:
    """Wait until /healthz answers with a status; its checks."""
    async with asyncio.timeout(DEADLINE_S), aiohttp.ClientSession() as http:
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with http.get(f"{url}/healthz") as answer:
                    if answer.status == status:
                        document: dict[str, Any] = await answer.json()
                        return document["checks"]  # type: ignore[no-any-return]
            await asyncio.sleep(0.05)


async def test_an_idle_ingestor_notices_that_the_database_went(broker: Broker, own_database: Database) -> None:
    """Without a single message to store, /healthz turns 503 when the database goes, and 200 when it is back."""
    settings = IngestorSettings(
        broker=broker.address("ingestor"),
        database_dsn=SecretStr(own_database.dsn("wattline_ingestor")),
        client_id=f"wattline-health-{broker.topics.root.replace('/', '-')}",
        http_port=free_port(),
    )
    async with running(run_ingestor, settings) as url:
        assert (await checks(url, 200))["database"]["ok"]
        await own_database.server.stop()
        assert not (await checks(url, 503))["database"]["ok"]
        await own_database.server.start()
        assert (await checks(url, 200))["database"]["ok"]


async def test_services_say_that_they_wait_for_the_database(broker: Broker) -> None:
    """From the first moment, before the database has ever answered, /healthz says what is missing."""
    gateway = GatewaySettings(broker=broker.address("gateway"), database_dsn=NOWHERE, http_port=free_port())
    async with running(run_gateway, gateway) as url:
        assert (await checks(url, 503))["database"] == {"ok": False, "detail": "not connected yet"}
    ingestor = IngestorSettings(broker=broker.address("ingestor"), database_dsn=NOWHERE, http_port=free_port())
    async with running(run_ingestor, ingestor) as url:
        assert not (await checks(url, 503))["database"]["ok"]
