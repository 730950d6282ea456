"""Two gateways on one database and broker: what one learns the other knows, and what one leaves the other does."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from broker.contract.messages import Desired
from broker.contract.topics import Kind
from broker.mqtt.session import Session
from tests.rigs.gateway import (
    Gateway,
    Watcher,
    all_announced,
    entered,
    events,
    gateway,
    p1_meter,
    registration,
    rows,
    send,
    watching,
)
from tests.rigs.gateway_process import database_proxy
from tests.rigs.proxy import TcpProxy
from tests.rigs.rollouts import settings
from tests.rigs.servers import Broker, Database
from tests.rigs.specs import KEY, acme, post, published, telegram
from tests.rigs.waiting import until


async def knows(running: Gateway, spec: str) -> bool:
    """Whether a gateway has a spec in memory: it decodes by it."""
    url = f"{running.url}/api/v1/decode"
    async with running.http.post(url, data=telegram().hex(), params={"spec": spec}) as response:
        return response.status == 200


async def says_ok(running: Gateway, text: str) -> bool:
    """Whether a document is published; what is not may be for want of a database only."""
    status, document = await post(running, "/specs", text, publish="true")
    assert status in (200, 503), document
    return status == 200


@contextlib.asynccontextmanager
async def both(broker: Broker, database: Database) -> AsyncIterator[tuple[Watcher, Gateway, Gateway, Session, Session]]:
    """What is retained, two gateways, a device that they know and an engineer."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(settings(broker, database)) as first,
        gateway(settings(broker, database)) as second,
        entered(broker, "d1") as device,
        entered(broker, "engineer") as engineer,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter(KEY)))
        await until(lambda: seen.desired("d1"), "registered")
        yield seen, first, second, device, engineer


async def test_what_one_publishes_the_other_knows_at_once(broker: Broker, database: Database) -> None:
    """By a notice of the database; also after the connection that listens was lost and something came meanwhile."""
    async with (
        database_proxy(database) as (proxy, dsn),
        gateway(settings(broker, database)) as first,
        gateway(settings(broker, database, database_dsn=dsn, outbox_read_s=600)) as second,
    ):
        assert not await knows(second, "acme-one@1")
        await published(first, acme())
        await until(lambda: knows(second, "acme-one@1"), "the other gateway knows it")
        assert await second.metric("wattline_gateway_store_notices_total") >= 1
        for version, lose in ((2, "terminated"), (3, "cut")):
            if lose == "cut":
                await proxy.cut()
                await published(first, acme(version=version))
                assert not await knows(second, f"acme-one@{version}")
                await proxy.restore()
            else:
                await rows(
                    database,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'wattline_gateway' "
                    "AND datname = current_database()",
                )
                # connections of the first gateway went as well: it says 503 until it has others
                await until(partial(says_ok, first, acme(version=version)), "it is published")
            await until(lambda version=version: knows(second, f"acme-one@{version}"), f"{lose}, and known again")
        await post(first, "/specs/acme-one/3:withdraw", reason="bad")
        status, problem = await post(second, "/specs/acme-one/3:rollout", to="nobody")
        assert (status, problem["field"]) == (422, "to")


async def test_what_one_commits_and_can_not_publish_the_other_publishes(broker: Broker, database: Database) -> None:
    """The gateway that published a canary has no broker, as if it had died after the commit: nothing is lost by it."""
    await broker.add_devices("d1", "d2")
    async with TcpProxy(broker.host, broker.port) as proxy, watching(broker) as seen:
        beside = settings(broker, database, broker=broker.address("gateway", proxy.port))
        async with (
            gateway(beside) as first,
            gateway(settings(broker, database)) as second,
            entered(broker, "d1") as device,
            entered(broker, "d2") as late,
        ):
            await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter(KEY)))
            await until(lambda: spec_of(seen.desired("d1")) == "generic-p1@1", "registered")
            await proxy.cut()
            await published(first, acme(), canary="d1")
            await until(lambda: spec_of(seen.desired("d1")) == "acme-one@1", "the other gateway publishes it")
            assert "acme-one@1" in seen.specs()
            assert await second.metric("wattline_gateway_published_total", kind="config/desired") >= 1
            await post(first, "/specs/acme-one/1:release")
            await send(late, broker.topics, Kind.REGISTRATION, "d2", registration(p1_meter("KFM:2")))
            await until(lambda: spec_of(seen.desired("d2"), "KFM:2") == "acme-one@1", "a new device gets it")
            await proxy.restore()
            await until(lambda: all_announced(database), "nothing waits to be published")
    assert not await events(database, "desired_refused")


async def test_a_restart_publishes_what_was_committed(broker: Broker, database: Database) -> None:
    """A gateway that ends between commit and publication leaves it to its next start."""
    await broker.add_devices("d1")
    async with TcpProxy(broker.host, broker.port) as proxy, watching(broker) as seen, entered(broker, "d1") as device:
        beside = settings(broker, database, broker=broker.address("gateway", proxy.port), drain_s=0.1)
        async with gateway(beside) as first:
            await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter(KEY)))
            await until(lambda: spec_of(seen.desired("d1")) == "generic-p1@1", "registered")
            await proxy.cut()
            await published(first, acme(), canary="d1")
        assert spec_of(seen.desired("d1")) == "generic-p1@1"
        assert not await all_announced(database)
        async with gateway(settings(broker, database)):
            await until(lambda: spec_of(seen.desired("d1")) == "acme-one@1", "published at the next start")
            await until(lambda: all_announced(database), "and noted")


async def test_two_gateways_tell_once_of_what_both_are_given(broker: Broker, database: Database) -> None:
    """A refused configuration by hand and a reply to a command of somebody else are one event each."""
    async with both(broker, database) as (_seen, first, second, device, engineer):
        replies = [b'{"command": "ping", "ok": true}', b'{"command": "ping", "ok": false}']
        for payload in replies:
            await send(device, broker.topics, Kind.REPLIES, "d1", payload)
        bad = [b'{"version": 9, "parameters": {"reading_interval_s": 0}}', b'{"version": 9, "parameters": {"x": 1}}']
        for number, payload in enumerate(bad, 1):
            await send(engineer, broker.topics, Kind.DESIRED, "d1", payload)
            for one in (first, second):
                await until(partial(dealt_with, one, Kind.DESIRED, number, "refused"), "it is refused")
        for one in (first, second):
            await until(partial(dealt_with, one, Kind.REPLIES, 2, "stored", "repeated"), "the replies are heard")
    assert len(await events(database, "command_reply")) == 2
    assert len(await events(database, "desired_refused")) == 2
    assert len(await rows(database, "SELECT FROM audit WHERE action = 'publishByHand'")) == 2


async def dealt_with(one: Gateway, kind: Kind, times: int, *results: str) -> bool:
    """Whether a gateway has dealt so often with messages of a kind, in one of these ways."""
    name = "wattline_gateway_messages_total"
    return sum([await one.metric(name, kind=str(kind), result=result) for result in results]) >= times


async def test_two_gateways_adopt_once_and_put_late_images_right(broker: Broker, database: Database) -> None:
    """A short message by hand is completed by one; an overtaken version of theirs that comes late is no stranger's."""
    async with both(broker, database) as (seen, first, second, _device, engineer):
        early = seen.desired("d1")
        short = b'{"version": 7, "parameters": {"log_level": "debug"}}'
        await send(engineer, broker.topics, Kind.DESIRED, "d1", short)
        await until(lambda: (d := seen.desired("d1")) and d.version == 8, "completed and adopted")
        await send(engineer, broker.topics, Kind.DESIRED, "d1", early.payload())
        await until(lambda: (d := seen.desired("d1")) and d.version == 8, "the newest one is back")
        taken = [await settled(one, seen.times("d1")) for one in (first, second)]
        assert all(taken)
    assert len(await events(database, "desired_adopted")) == 1
    assert not await events(database, "desired_refused")
    assert json.loads((await rows(database, "SELECT document FROM desired"))[0]["document"])["version"] == 8


async def settled(running: Gateway, times: int) -> Any:
    """Wait until a gateway has dealt with all messages that came on the topic of desired configurations."""

    async def all_dealt() -> bool:
        results = ("in_step", "echo", "behind", "adopted", "refused")
        name = "wattline_gateway_messages_total"
        return sum([await running.metric(name, kind="config/desired", result=one) for one in results]) >= times

    await until(all_dealt, "all messages are dealt with")
    await asyncio.sleep(0)
    return True


def spec_of(desired: Desired | None, key: str = KEY) -> str | None:
    """The spec desired for a meter."""
    config = desired.meters.get(key) if desired else None
    return config.spec if config else None
