"""What is committed reaches the broker, once and in order, whatever dies or goes deaf between the two."""

import asyncio
import secrets
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import pytest
from pydantic import SecretStr

from broker.contract.identity import GATEWAY
from broker.contract.messages import Desired
from broker.contract.topics import Kind
from broker.mqtt.session import Session, SessionOptions
from gateway.bus.notices import DESIRED
from gateway.settings import GatewaySettings
from tests.rigs.gateway import (
    Watcher,
    all_announced,
    entered,
    events,
    gateway,
    gateway_settings,
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


class DeafProxy(TcpProxy):
    """Loses each notice of the database that configurations wait (NotificationResponse), and nothing else."""

    lost = 0

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, there: bool) -> None:
        if there:
            await super()._pump(reader, writer, there=there)
            return
        while chunk := await reader.read(65536):
            alone = chunk[:1] == b"A" and len(chunk) == 1 + int.from_bytes(chunk[1:5])
            if alone and DESIRED.encode() in chunk:
                self.lost += 1
                continue
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


async def change(http: aiohttp.ClientSession, settings: GatewaySettings, device: str, interval_s: float) -> None:
    """Change a parameter of a device by a gateway's API."""
    path = f"http://127.0.0.1:{settings.http_port}/api/v1/devices/{device}/parameters"
    async with http.patch(path, json={"reading_interval_s": interval_s}) as done:
        assert done.status == 200, await done.text()


async def registered(broker: Broker, seen: Watcher, *names: str) -> None:
    """Register devices with one meter each, and wait for their first configuration."""
    for name in names:
        async with entered(broker, name) as device:
            await send(device, broker.topics, Kind.REGISTRATION, name, registration(p1_meter(f"ZZZ:{name}")))
    await until(lambda: all(seen.desired(name) for name in names), "all are registered")


def version_of(seen: Watcher, device: str = "d1") -> int:
    """The version that is retained, 0 for none."""
    found = seen.desired(device)
    return found.version if found else 0


@pytest.mark.parametrize("next_one", ["its next start", "another gateway"])
async def test_a_gateway_killed_between_commit_and_publication(
    broker: Broker, database: Database, next_one: str
) -> None:
    """It has claimed the change and is killed with it in hand: its next start publishes it.

    So does another, once it sees that the broker has the version before, or the claim ends (test_outbox_claims).
    """
    await broker.add_device("d1")
    async with (
        aiohttp.ClientSession() as http,
        watching(broker) as seen,
        TcpProxy(broker.host, broker.port) as proxy,
    ):
        settings = gateway_settings(broker, database, broker=broker.address(GATEWAY, proxy.port))
        process = await start(settings)
        try:
            await answers(settings)
            await registered(broker, seen, "d1")
            await until(lambda: all_announced(database), "its first configuration is noted")
            proxy.stall()
            await change(http, settings, "d1", 7)

            async def in_hand() -> bool:
                return bool(await rows(database, "SELECT FROM desired WHERE claimed_by = $1", settings.client_id))

            await until(in_hand, "it has claimed the change")
        finally:
            process.kill()
            await process.wait()
        assert version_of(seen) == 1
        client_id = settings.client_id
        if next_one == "another gateway":
            client_id = f"wattline-other-{secrets.token_hex(4)}"
            await rows(database, "UPDATE desired SET claimed_until = now() + interval '4 s' RETURNING device_id")
        after = gateway_settings(broker, database, client_id=client_id, outbox_read_s=600, reconcile_s=86400)
        async with gateway(after):
            await until(lambda: version_of(seen) == 2, f"{next_one} publishes it")
            await until(lambda: all_announced(database), "and notes it")
    assert not await events(database, "desired_refused")


async def test_a_listener_that_hears_nothing_is_late_and_misses_nothing(broker: Broker, database: Database) -> None:
    """Its connection lives, but no notice comes: what another gateway can't publish it finds by looking."""
    await broker.add_device("d1")
    parts = urlsplit(database.dsn("wattline_gateway"))
    async with (
        watching(broker) as seen,
        TcpProxy(broker.host, broker.port) as away,
        DeafProxy(parts.hostname or "", parts.port or 5432) as deaf,
    ):
        user = parts.netloc.rpartition("@")[0]
        dsn = SecretStr(urlunsplit(parts._replace(netloc=f"{user}@{deaf.host}:{deaf.port}")))
        async with (
            gateway(gateway_settings(broker, database, broker=broker.address(GATEWAY, away.port))) as first,
            gateway(gateway_settings(broker, database, database_dsn=dsn, outbox_read_s=0.5)),
        ):
            await registered(broker, seen, "d1")
            await away.cut()
            before = deaf.lost
            await change(first.http, first.settings, "d1", 7)
            await until(lambda: version_of(seen) == 2, "it is published")
            await until(lambda: deaf.lost > before, "no thanks to a notice")


async def test_what_was_told_while_the_listener_was_away_is_found_at_its_return(
    broker: Broker, database: Database
) -> None:
    """A notice is sent once: whoever listens again looks first."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        TcpProxy(broker.host, broker.port) as away,
        database_proxy(database) as (proxy, dsn),
        gateway(gateway_settings(broker, database, broker=broker.address(GATEWAY, away.port))) as first,
        gateway(gateway_settings(broker, database, database_dsn=dsn, outbox_read_s=600)),
    ):
        await registered(broker, seen, "d1")
        await until(lambda: all_announced(database), "nothing waits")
        await away.cut()
        await proxy.cut()
        await change(first.http, first.settings, "d1", 7)
        assert version_of(seen) == 1
        await proxy.restore()
        await until(lambda: version_of(seen) == 2, "it is published")


async def test_two_gateways_publish_every_version_in_order(broker: Broker, database: Database) -> None:
    """Changes come by both at once; none reaches the broker after its successor.

    One may come twice: a gateway that sees the other's last but one can't know whether its successor came before it.
    """
    names = [f"d{number}" for number in range(6)]
    await broker.add_devices(*names)
    versions: dict[str, list[int]] = {name: [] for name in names}

    async def record(session: Session) -> None:
        async for message in session.messages():
            versions[broker.topics.parse(message.topic).device].append(Desired.parse(message.payload).version)
            message.ack()

    options = SessionOptions(f"record-{secrets.token_hex(4)}", subscriptions=((broker.topics.every(Kind.DESIRED), 1),))
    async with (
        watching(broker) as seen,
        Session(broker.address("monitor"), options) as session,
        gateway(gateway_settings(broker, database)) as first,
        gateway(gateway_settings(broker, database)) as second,
    ):
        recording = asyncio.create_task(record(session))
        await registered(broker, seen, *names)
        for step in range(4):
            both = [(running, name) for running in (first, second) for name in names]
            await asyncio.gather(
                *(
                    change(running.http, running.settings, name, 3 + 2 * step + (running is second))
                    for running, name in both
                )
            )
        await until(lambda: all(9 in told[-1:] for told in versions.values()), "the last versions are there")
        await until(lambda: all_announced(database), "nothing waits")
        recording.cancel()
        sent = [await one.metric("wattline_gateway_published_total", kind="config/desired") for one in (first, second)]
    assert sum(sent) == sum(len(told) for told in versions.values())
    for told in versions.values():
        assert told == sorted(told)
