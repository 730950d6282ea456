"""The last release's agent at this platform, and this agent at the last release's services: both are served."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from device.simulator import SimulatedP1Meter
from gateway.settings import GatewaySettings
from tests.rigs.agent import SERIAL, PlatformSide
from tests.rigs.agent_process import process
from tests.rigs.gateway_process import ROOT, answers, start
from tests.rigs.ingesting import Process
from tests.rigs.released import LAST, released_tree
from tests.rigs.servers import Broker, Database
from tests.rigs.software_updates import LEDGER, NO_HOLE
from tests.rigs.stages import settings
from tests.rigs.waiting import until_equal

INTERVAL = "SELECT effective->>'publish_interval_s' FROM reported"


@pytest.fixture
def last(tmp_path: Path) -> Path:
    """The last release."""
    return released_tree(tmp_path / LAST)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A database of this checkout's schema, as `wattline migrate` leaves it before any service is updated."""
    connection = await asyncpg.connect(database.dsn(), timeout=15)
    yield connection
    await connection.close(timeout=10)


@contextlib.asynccontextmanager
async def services(
    broker: Broker, database: Database, folder: Path, tree: Path, reach: GatewaySettings
) -> AsyncIterator[None]:
    """Gateway and ingestor of a tree."""
    ingestor = Process(broker, database.dsn("wattline_ingestor"), folder / "ingestor.log", tree=tree)
    gateway = await start(reach, tree=tree)
    try:
        await ingestor.start()
        await answers(reach)
        yield
    finally:
        gateway.terminate()
        assert await gateway.wait() == 0
        assert await ingestor.stop() == 0


@pytest.mark.parametrize(("old_agent", "old_services"), [(True, False), (False, True)])
async def test_agent_and_services_of_two_releases_serve_each_other(
    broker: Broker, database: Database, store: asyncpg.Connection, last: Path, tmp_path: Path, *, old_agent: bool,
    old_services: bool,
) -> None:  # fmt: skip
    """A spec comes, readings are stored and receipted, a parameter is obeyed and told, and none is lost."""
    await broker.add_device("pi-1")
    # the last release's services know passwords alone
    reach = settings(
        broker, database, broker=broker.by_password("gateway") if old_services else broker.address("gateway")
    )
    async with (
        PlatformSide(broker, "pi-1", answers=False) as side,
        services(broker, database, tmp_path, last if old_services else ROOT, reach),
        SimulatedP1Meter(serial=SERIAL, gas_serial="", seed=1) as meter,
    ):
        tree = last if old_agent else ROOT
        for _ in range(2):
            # once more: what the first left in the outbox is sent by the second
            async with process(side, tmp_path / "data", meter.port, broker.port, tree=tree) as agent:
                await agent.until_metric("wattline_device_confirmed_total", 3)
                await agent.until_metric("wattline_device_samples_total", 3)
                agent.process.kill()
        async with process(side, tmp_path / "data", meter.port, broker.port, tree=tree) as agent:
            await agent.until_metric("wattline_device_confirmed_total", 3)
            # which is of before the updater
            assert bool(await agent.metric("wattline_device_info{")) is not old_agent
            assert await _knows_software(reach) is not old_services
            await _set(reach, {"publish_interval_s": 0.5})
            await until_equal(lambda: store.fetchval(INTERVAL), "0.5")
            agent.process.terminate()
            await agent.process.wait()

        await until_equal(lambda: store.fetchval(LEDGER), 0)
        await until_equal(lambda: store.fetchval(NO_HOLE), 0)
        assert await store.fetchval("SELECT count(*) FROM named_reading") > 0


async def _set(reach: GatewaySettings, parameters: dict[str, float]) -> None:
    url = f"http://127.0.0.1:{reach.http_port}/api/v1/devices/pi-1/parameters"
    async with (
        aiohttp.ClientSession() as http,
        http.patch(url, json=parameters, params={"author": "eva", "reason": "trial"}) as response,
    ):
        assert response.status == 200, await response.text()


async def _knows_software(reach: GatewaySettings) -> bool:
    url = f"http://127.0.0.1:{reach.http_port}/api/v1/devices/pi-1/software"
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return response.status == 200
