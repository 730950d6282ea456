"""What one outage of the database and of the broker costs in log lines."""

import asyncio
import logging
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from device.simulator import SimulatedP1Meter
from ingestor.health import EVERY_S, PROBE_AFTER_S
from tests.rigs.agent import PlatformSide, agent
from tests.rigs.agent import settings as agent_settings
from tests.rigs.gateway import gateway, gateway_settings
from tests.rigs.ingesting import Running, device, ingesting, settings, table
from tests.rigs.proxy import TcpProxy
from tests.rigs.redecoding import worker_settings, working
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until as until_true
from tests.rigs.waiting import until_equal

AWAY_S = 15.0
MOST = 6
"""Begun, a few reasons, and over; whatever tries meanwhile, and however often."""


def through(proxy: TcpProxy, dsn: str) -> str:
    """The same address by way of a proxy."""
    parts = urlsplit(dsn)
    user = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{user}@{proxy.host}:{proxy.port}").geturl()


async def _well(ingestor: Running) -> bool:
    return bool((await ingestor.health())[1]["checks"]["database"]["ok"])


async def test_an_outage_of_the_database_is_a_few_lines(broker: Broker, database: Database) -> None:
    """A gateway and an ingestor whose every task wants it, and a client that asks again and again."""
    parts = urlsplit(database.dsn("wattline_gateway"))
    async with TcpProxy(parts.hostname or "", parts.port or 5432) as proxy:
        asked = gateway_settings(
            broker, database, database_dsn=through(proxy, database.dsn("wattline_gateway")), outbox_read_s=0.5,
            judge_s=0.5, stage_tick_s=0.5, settle_s=0.5, job_sweep_s=0.5,
        )  # fmt: skip
        taking = settings(broker, through(proxy, database.dsn("wattline_ingestor")))
        async with gateway(asked) as running, ingesting(taking) as ingestor:
            await until_equal(lambda: _well(ingestor), wanted=True)
            with capture_logs() as lines:
                await proxy.cut()
                for _ in range(int(AWAY_S)):
                    async with running.http.get(f"{running.url}/api/v1/devices") as answer:
                        assert answer.status == 503
                    await asyncio.sleep(1)
                await proxy.restore()
                await until_true(lambda: sum(line["event"] == "database_back" for line in lines) == 2)
                # a question that was under way at the end of the outage may fail after another was answered
                await until_equal(lambda: _well(ingestor), wanted=True)
            told = [line for line in lines if line["log_level"] in ("warning", "error")]
            assert len(told) <= 2 * MOST, [(line["event"], line.get("reason")) for line in told]
            back = [line for line in lines if line["event"] == "database_back"]
            # of each service one; that late failure is an outage of its own, and a short one
            assert sum(line["away_s"] > AWAY_S / 2 and line["failures"] > 1 for line in back) == 2, back


FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON reading FOR EACH ROW EXECUTE FUNCTION full_disk();
"""


async def test_a_database_that_answers_and_takes_nothing_is_not_back(broker: Broker, database: Database) -> None:
    """While batches fail the probe that succeeds tells nobody that all is well."""
    of = settings(broker, database.dsn("wattline_ingestor"))
    async with table(database) as asked, device(broker) as pi, ingesting(of) as ingestor:
        await until_equal(lambda: _well(ingestor), wanted=True)
        await asked.execute(FULL)
        with capture_logs() as lines:
            await pi.readings(1)
            await until_true(lambda: sum(line["event"] == "batch_not_written" for line in lines) > 0)
            await asyncio.sleep(2 * EVERY_S + PROBE_AFTER_S)
            assert [line for line in lines if line["event"] == "database_back"] == []
            await asked.execute("DROP TRIGGER full_disk ON reading")
            await until_true(lambda: any(line["event"] == "database_back" for line in lines))
        assert await asked.readings() == 3


async def test_an_outage_of_the_broker_is_a_few_lines(broker: Broker, tmp_path: Path) -> None:
    """An agent tries some ten times in a quarter of a minute."""
    await broker.add_device("pi-1")
    async with (
        TcpProxy(broker.host, broker.port) as proxy,
        PlatformSide(broker, "pi-1") as platform,
        SimulatedP1Meter(serial="E0044007133156018") as meter,
        agent(agent_settings(platform, tmp_path, meter.port, port=proxy.port)),
    ):
        await until_true(lambda: bool(platform.samples()))
        with capture_logs() as lines:
            await proxy.cut()
            await asyncio.sleep(AWAY_S)
            await proxy.restore()
            await until_true(lambda: any(line["event"] == "broker_connected" for line in lines))
        told = [line for line in lines if line["log_level"] in ("warning", "error")]
        assert len(told) <= MOST, [(line["event"], line.get("reason")) for line in told]
        (back,) = [line for line in lines if line["event"] == "broker_connected"]
        assert back["away_s"] > AWAY_S / 2
        assert back["failures"] > 2


async def test_a_worker_tells_an_outage_once(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Its queue, its watch and the libraries below them together."""
    dsn = database.dsn("wattline_ingestor")
    parts = urlsplit(dsn)
    async with TcpProxy(parts.hostname or "", parts.port or 5432) as proxy:
        async with working(worker_settings(database, database_dsn=SecretStr(through(proxy, dsn)))) as url:
            await until_well(url)
            caplog.clear()
            with capture_logs() as lines:
                await proxy.cut()
                await asyncio.sleep(AWAY_S)
                await proxy.restore()
                await until_true(lambda: any(line["event"] == "database_back" for line in lines))
    told = [line["event"] for line in lines if line["log_level"] in ("warning", "error")]
    assert len(told) + len([one for one in caplog.records if one.levelno >= logging.WARNING]) <= MOST, told
    (back,) = [line for line in lines if line["event"] == "database_back"]
    assert back["failures"] > 2


async def until_well(url: str) -> None:
    """Wait until a service is well."""

    async def status() -> int:
        try:
            async with aiohttp.ClientSession() as http, http.get(f"{url}/healthz") as answer:
                return answer.status
        except aiohttp.ClientError:
            return 0

    await until_equal(status, wanted=200)
