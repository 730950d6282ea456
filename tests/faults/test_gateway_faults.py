"""The gateway when its database, its broker or it itself goes away: nothing lost, nothing doubled."""

import asyncio
import contextlib
import signal
from typing import Any

import aiohttp
from pydantic import SecretStr

from broker.contract.identity import GATEWAY
from broker.contract.topics import Kind
from tests.rigs.gateway import (
    DEADLINE_S,
    Gateway,
    entered,
    events,
    gateway,
    gateway_settings,
    healthy,
    p1_meter,
    registration,
    rows,
    send,
    watching,
)
from tests.rigs.gateway_process import answers, database_proxy, start
from tests.rigs.proxy import TcpProxy
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until


async def test_a_database_that_is_away_at_start_is_waited_for(broker: Broker, database: Database) -> None:
    """The gateway neither ends nor serves until the database is there; then it does its work."""
    await broker.add_device("d1")
    async with watching(broker) as seen, database_proxy(database) as (proxy, dsn):
        await proxy.cut()
        settings = gateway_settings(broker, database, database_dsn=dsn)
        async with gateway(settings, ready=False) as running, entered(broker, "d1") as device:
            assert not await healthy(running)
            await proxy.restore()
            await until(lambda: healthy(running), "the gateway is healthy")
            await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
            await until(lambda: seen.desired("d1"), "desired is retained")


async def test_a_gateway_that_waits_for_its_database_stops_at_once(broker: Broker, database: Database) -> None:
    """SIGTERM does not wait for a database that may never come."""
    async with database_proxy(database) as (proxy, dsn):
        await proxy.cut()
        async with gateway(gateway_settings(broker, database, database_dsn=dsn), ready=False) as running:
            running.stop.set()
            await asyncio.wait_for(running.task, 60)


async def test_nothing_is_lost_while_the_database_is_away(broker: Broker, database: Database) -> None:
    """Registrations of the outage are answered after it, each once; the API says 503 meanwhile and /healthz fails."""
    names = [f"d{number}" for number in range(20)]
    await broker.add_devices(*names)
    async with watching(broker) as seen, database_proxy(database) as (proxy, dsn):
        settings = gateway_settings(broker, database, database_dsn=dsn, receive_maximum=5)
        async with gateway(settings) as running:
            await proxy.cut()
            for name in names:
                async with entered(broker, name) as device:
                    meter = p1_meter(f"ZZZ:{name}")
                    await send(device, broker.topics, Kind.REGISTRATION, name, registration(meter))
            async with running.http.get(f"{running.url}/api/v1/devices") as response:
                assert response.status == 503
                assert response.content_type == "application/problem+json"
            assert not any(seen.desired(name) for name in names)
            await proxy.restore()
            await until(lambda: all(seen.desired(name) for name in names), "every device is answered")
    assert len(await rows(database, "SELECT FROM desired_history")) == len(names)
    assert len(await events(database, "device_registered")) == len(names)
    assert not await rows(database, "SELECT FROM frame")


async def test_a_browser_gets_a_page_while_the_database_is_away(broker: Broker, database: Database) -> None:
    """From before the gateway has ever had it, and at the login and with a session too: 503, and when to try again."""
    page = {"Accept": "text/html"}
    async with database_proxy(database) as (proxy, dsn):
        await proxy.cut()
        settings = gateway_settings(broker, database, database_dsn=dsn, api_token=SecretStr("s3cret-of-a-gateway-test"))
        async with gateway(settings, ready=False) as running:
            await until(lambda: _listens(running), "it listens")
            await _away(running, "GET", "/", headers=page, says="This page tries again by itself")
            await proxy.restore()
            await until(lambda: healthy(running), "the gateway is healthy")
            login = f"{running.url}/login"
            async with running.http.post(
                login, data={"token": "s3cret-of-a-gateway-test"}, headers=page, allow_redirects=False
            ) as entered:
                jar = {**page, "Cookie": f"wattline={entered.cookies['wattline'].value}"}
            await proxy.cut()
            token = {"token": "s3cret-of-a-gateway-test", "next": "/specs"}
            text = await _away(running, "POST", "/login", headers=page, data=token, says="Nobody can be recognised")
            assert 'name="next" value="/specs"' in text, "the way back is kept"
            for path in ("/", "/specs", "/devices/d1"):
                await _away(running, "GET", path, headers=jar, says="This page tries again by itself")
            await _away(running, "POST", "/logout", headers=jar, says="Back to the fleet")
            async with running.http.get(f"{running.url}/nope", headers=page) as response:
                assert (response.status, response.content_type) == (404, "text/html")
            async with running.http.get(f"{running.url}/api/v1/devices", headers=jar) as response:
                assert (response.status, response.content_type) == (503, "application/problem+json")
                assert response.headers["Retry-After"] == "5"
            await proxy.restore()


async def _listens(running: Gateway) -> bool:
    with contextlib.suppress(aiohttp.ClientConnectionError):
        async with running.http.get(f"{running.url}/healthz"):
            return True
    return False


async def _away(running: Gateway, method: str, path: str, says: str, **request: Any) -> str:
    async with running.http.request(method, f"{running.url}{path}", **request) as response:
        text = await response.text()
        assert (response.status, response.content_type, response.headers["Retry-After"]) == (503, "text/html", "5")
        assert says in text.replace("&#39;", "'")
        return text


async def test_registrations_of_its_absence_are_answered_at_its_return(broker: Broker, database: Database) -> None:
    """The broker keeps what comes while the gateway is away, under its fixed client id."""
    await broker.add_device("d1")
    settings = gateway_settings(broker, database)
    async with watching(broker) as seen, entered(broker, "d1") as device:
        async with gateway(settings):
            pass
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        async with gateway(settings):
            await until(lambda: seen.desired("d1"), "desired is retained")


async def test_a_broker_that_lost_everything_gets_it_back(own_broker: Broker, database: Database) -> None:
    """A broker killed with its persistence gone has every desired config and spec again soon after its return."""
    names = [f"d{number}" for number in range(5)]
    await own_broker.add_devices(*names)
    settings = gateway_settings(own_broker, database)
    async with gateway(settings) as running:
        for name in names:
            async with entered(own_broker, name) as device:
                await send(device, own_broker.topics, Kind.REGISTRATION, name, registration(p1_meter(f"ZZZ:{name}")))
        async with watching(own_broker) as seen:
            await until(lambda: all(seen.desired(name) for name in names) and seen.specs(), "all is retained")
            specs = seen.specs()
        await own_broker.server.kill()
        own_broker.server.remove_data()
        await until(lambda: _unhealthy(running), "the gateway notices")
        async with running.http.patch(
            f"{running.url}/api/v1/devices/d0/parameters", json={"raw_frames": True}
        ) as response:
            assert response.status == 200
        await own_broker.server.start()
        async with watching(own_broker) as seen:
            await until(lambda: all(seen.desired(name) for name in names), "every desired config is back", timeout_s=60)
            await until(lambda: seen.specs() == specs, "the specs are back")
            changed = seen.desired("d0")
            assert changed is not None
            assert (changed.version, changed.parameters.raw_frames) == (2, True)
    assert len(await rows(database, "SELECT FROM desired_history")) == len(names) + 1


async def test_a_broker_that_is_away_at_start_is_waited_for(broker: Broker, database: Database) -> None:
    """The API serves what the store knows, /healthz says what is missing, and work begins when the broker comes."""
    await broker.add_device("d1")
    async with TcpProxy(broker.host, broker.port) as proxy, watching(broker) as seen:
        await proxy.cut()
        settings = gateway_settings(broker, database, broker=broker.address(GATEWAY, proxy.port))
        async with gateway(settings, ready=False) as running:
            await until(lambda: _serves(running), "the API serves")
            assert not await healthy(running)
            async with entered(broker, "d1") as device:
                await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
                await proxy.restore()
                await until(lambda: healthy(running), "the gateway is healthy")
                await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
            await until(lambda: seen.desired("d1"), "desired is retained")


async def test_changes_made_while_the_broker_is_away_reach_it_later(broker: Broker, database: Database) -> None:
    """What then stands retained is the gateway's own older version: no stranger's, nothing for quarantine."""
    await broker.add_device("d1")
    async with TcpProxy(broker.host, broker.port) as proxy, watching(broker) as seen:
        settings = gateway_settings(broker, database, broker=broker.address(GATEWAY, proxy.port))
        async with gateway(settings) as running, entered(broker, "d1") as device:
            await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
            await until(lambda: seen.desired("d1"), "desired is retained")
            await proxy.cut()
            for interval in (20, 30, 40):
                path = f"{running.url}/api/v1/devices/d1/parameters"
                async with running.http.patch(path, json={"reading_interval_s": interval}) as done:
                    assert done.status == 200
            await proxy.restore()
            last = await until(
                lambda: (d := seen.desired("d1")) and d.version == 4 and d, "version 4 is retained", timeout_s=60
            )
            assert last.parameters.reading_interval_s == 40
            name = "wattline_gateway_messages_total"

            async def back() -> bool:
                return await running.metric(name, kind="config/desired", result="in_step") > 0

            await until(back, "its own publication has come back")
    assert not await rows(database, "SELECT FROM event WHERE event LIKE 'desired%'")
    assert not await rows(database, "SELECT FROM frame")


async def _serves(running: Gateway) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with running.http.get(f"{running.url}/api/v1/devices") as response:
            return response.status == 200 and (await response.json())["items"] == []
    return False


async def _unhealthy(running: Gateway) -> bool:
    return not await healthy(running)


async def test_killed_gateways_lose_and_double_nothing(broker: Broker, database: Database) -> None:
    """Registrations go on while the process is killed with -9 and started again; each is entered and answered once."""
    names = [f"d{number}" for number in range(60)]
    await broker.add_devices(*names)
    settings = gateway_settings(broker, database, receive_maximum=10)
    async with watching(broker) as seen:
        process = await start(settings)
        await answers(settings)
        for number, name in enumerate(names):
            async with entered(broker, name) as device:
                await send(device, broker.topics, Kind.REGISTRATION, name, registration(p1_meter(f"ZZZ:{name}")))
            if number in (20, 40):
                process.kill()
                await process.wait()
                process = await start(settings)
        await until(lambda: all(seen.desired(name) for name in names), "every device is answered", timeout_s=60)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 0
    assert len(await rows(database, "SELECT FROM device WHERE registration IS NOT NULL")) == len(names)
    assert len(await rows(database, "SELECT FROM meter")) == len(names)
    assert len(await rows(database, "SELECT FROM desired_history")) == len(names)
    assert len(await events(database, "device_registered")) == len(names)


async def test_wrong_credentials_end_the_process_with_a_sentence(broker: Broker, database: Database) -> None:
    """A refused login is for a person to put right: status 1 and one line, no traceback."""
    settings = gateway_settings(broker, database, broker=broker.by_password("gateway"))
    process = await start(settings, WATTLINE_GATEWAY_BROKER__PASSWORD="wrong")
    _, told = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode == 1
    assert any(line.startswith("wattline gateway: the broker refuses") for line in told.decode().splitlines())
    assert "Traceback" not in told.decode()
