"""The bridge as a Sparkplug host application against a real Mosquitto: an edge node, state, aliases and rebirth."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator

import pytest

from broker.mqtt.session import Publication, Session, SessionOptions
from broker.sparkplug.decoding import decode
from intake.bridge.admission import Admission
from intake.bridge.book import SourceBook
from intake.bridge.keeping import Keeper
from intake.bridge.links import Links
from intake.bridge.metrics import BridgeMetrics
from intake.bridge.pipeline import Pipeline
from intake.bridge.sparkplug.host import SparkplugHost
from intake.bridge.sparkplug.hosts import Hosts
from intake.bridge.store import mqtt_sources
from intake.inbox.inbox import InboxBounds, open_inbox
from intake.inbox.payload import Payload
from intake.notices.notices import Notices
from store.pool import open_pool
from tests.rigs.bridging import add_source, bridging, settings
from tests.rigs.gateway import connection, rows
from tests.rigs.ingesting import Running
from tests.rigs.servers import Broker, Database
from tests.rigs.sparkplug import birth, metric, payload
from tests.rigs.waiting import until, until_equal

KEPT = "SELECT topic, convert_from(body, 'UTF8') AS body FROM payload ORDER BY id"


@pytest.fixture
def group() -> str:
    """A group of this test alone."""
    return f"g-{secrets.token_hex(4)}"


@pytest.fixture
async def node(broker: Broker, group: str) -> AsyncIterator[Session]:
    """A foreign edge node, which hears its commands and the hosts' states."""
    heard = ((f"spBv1.0/{group}/NCMD/n", 1), ("spBv1.0/STATE/+", 1))
    async with Session(broker.address("foreign"), SessionOptions("edge-" + group, subscriptions=heard)) as session:
        await session.wait_connected()
        yield session


async def test_a_host_says_that_it_is_there_hears_nodes_and_asks_for_births(
    broker: Broker, database: Database, group: str, node: Session
) -> None:
    """State with its will, data by alias, a gap that asks for a birth, and a state that says offline at the end."""
    await add_source(database, "plant", [f"spBv1.0/{group}/+/+", f"spBv1.0/{group}/+/+/+"])
    of = settings(broker, database, sparkplug_host_id=f"h-{group}", discovery=False)

    async def said(kind: str) -> list[bytes]:
        return [one.payload for one in await node.receive(10) if kind in one.topic]

    async with bridging(of):
        online = json.loads((await until(lambda: said(f"STATE/h-{group}")))[-1])
        assert online["online"] is True

        async def send(kind: str, data: bytes, device: str = "") -> None:
            await node.publish(Publication(f"spBv1.0/{group}/{kind}/n{device}", data, 0))

        # before any birth: kept with its alias, and a birth is asked for
        await send("NDATA", payload(9, metric(alias=1, value=2.0)))
        (asked,) = await until(lambda: said("NCMD"))
        assert decode(asked).metrics[0].name == "Node Control/Rebirth"
        await send("NBIRTH", birth(1, metric("1-0:1.8.0", "Double", 5.5, alias=1)))
        await send("DBIRTH", payload(1, metric("Meter/1-0:16.7.0", "Double", 0.5, alias=2)), "/d")
        await send("DDATA", payload(2, metric(alias=2, value=0.75, timestamp=1_763_892_060_000)), "/d")
        await until_equal(lambda: _count(database), 4)
        # the same again, byte for byte, is out of sequence and no second payload
        await send("DDATA", payload(2, metric(alias=2, value=0.75, timestamp=1_763_892_060_000)), "/d")
        await send("DDATA", payload(3, metric(alias=2, value=1.0)), "/d")
        await until_equal(lambda: _count(database), 5)
    documents = [json.loads(row["body"]) for row in await rows(database, KEPT)]
    named = [[one.get("name") for one in document["metrics"]] for document in documents]
    assert sorted(map(str, named)) == sorted(
        map(str, [[None], ["1-0:1.8.0"], ["Meter/1-0:16.7.0"], ["Meter/1-0:16.7.0"], ["Meter/1-0:16.7.0"]])
    )
    offline = json.loads((await until(lambda: said(f"STATE/h-{group}")))[-1])
    assert offline == {"online": False, "timestamp": online["timestamp"]}


async def test_what_comes_in_another_order_is_stored_in_the_nodes_and_a_gap_asks_for_a_birth(
    broker: Broker, database: Database, group: str, node: Session
) -> None:
    """Within the time nothing is asked for; what is missing then is; at the end all that waits is stored."""
    await add_source(database, "plant", [f"spBv1.0/{group}/+/+"])
    of = settings(broker, database, sparkplug_host_id=f"h-{group}", discovery=False, sparkplug_reorder_s=60)

    async def send(kind: str, data: bytes) -> None:
        await node.publish(Publication(f"spBv1.0/{group}/{kind}/n", data, 1))

    def data(seq: int) -> bytes:
        return payload(seq, metric(alias=1, value=float(seq)))

    async with bridging(of) as running:
        await until(lambda: _hears(running))
        await send("NBIRTH", birth(1, metric("1-0:1.8.0", "Double", 0.5, alias=1)))
        for seq in (3, 2, 1, 6):
            await send("NDATA", data(seq))
        await until_equal(lambda: _count(database), 4)
        assert await running.metric("wattline_bridge_sparkplug_reordered_total") == 2
        assert await running.metric("wattline_bridge_sparkplug_rebirths_total") == 0
        await until(lambda: _holds(running))
    kept = [json.loads(row["body"]) for row in await rows(database, KEPT.replace("ORDER BY id", "ORDER BY came_at"))]
    assert [one["seq"] for one in kept] == [0, 1, 2, 3, 6]
    assert {one["metrics"][0]["name"] for one in kept} == {"1-0:1.8.0"}
    async with bridging(of.model_copy(update={"sparkplug_reorder_s": 0.2})) as running:
        await until(lambda: _hears(running))
        await send("NDATA", data(9))
        (asked,) = await until(lambda: _said(node, "NCMD"))
        assert decode(asked).metrics[0].name == "Node Control/Rebirth"
        await until_equal(lambda: _count(database), 6)


async def _said(node: Session, kind: str) -> list[bytes]:
    return [one.payload for one in await node.receive(10) if kind in one.topic]


async def _holds(running: Running) -> bool:
    return await running.metric("wattline_bridge_held") == 1


async def test_our_own_meters_do_not_come_back(broker: Broker, database: Database, group: str) -> None:
    """Of the outlet's edge node nothing is kept, and it is asked for no birth; a foreign one beside it is.

    What is too large is not even read.
    """
    await add_source(database, "plant", ["spBv1.0/+/+/+", "spBv1.0/+/+/+/+"])
    of = settings(broker, database, sparkplug_host_id=f"h-{group}", discovery=False)
    ours = SessionOptions(f"wattline-out-{group}", subscriptions=(("spBv1.0/Wattline/NCMD/+", 1),))
    async with (
        Session(broker.address("outlet"), ours) as outlet,
        Session(broker.address("foreign"), SessionOptions("edge-" + group)) as node,
        bridging(of) as running,
    ):
        await outlet.wait_connected()
        await node.wait_connected()
        await until(lambda: _hears(running))
        await outlet.publish(Publication("spBv1.0/Wattline/NDATA/wattline", payload(7, metric("x", "Double", 1.0)), 1))
        large = payload(7, metric("z", "String", "z" * 260 * 1024))
        await node.publish(Publication(f"spBv1.0/{group}/NDATA/large", large, 1))
        await node.publish(Publication(f"spBv1.0/{group}/NDATA/n", payload(7, metric("y", "Double", 2.0)), 1))
        # what came after it is there: it would be, too
        await until(lambda: _count(database))
        assert [row["topic"] for row in await rows(database, KEPT)] == [f"spBv1.0/{group}/NDATA/n"]
        assert await running.metric("wattline_bridge_sparkplug_rebirths_total") == 1
        assert await running.metric('wattline_bridge_messages_total{result="too_large"}') == 1


async def test_what_a_host_has_in_hand_is_stored_before_it_goes(
    broker: Broker, database: Database, group: str, node: Session
) -> None:
    """Its session has no past: what was taken, and waits for the database, would never come again."""
    await add_source(database, "plant", [f"spBv1.0/{group}/+/+"])
    of = settings(broker, database, sparkplug_host_id=f"h-{group}", sparkplug_reorder_s=0)
    book, metrics = SourceBook(), BridgeMetrics()
    async with (
        open_pool(database.dsn("wattline_intake"), min_size=1, max_size=4, application_name="test") as pool,
        open_inbox(pool, InboxBounds(writers=1), metrics.inbox) as inbox,
        connection(database) as other,
        asyncio.TaskGroup() as tasks,
    ):
        book.read(await mqtt_sources(pool), {"ours": None})
        notices = Notices(metrics.events_lost)
        keeper = Keeper(inbox, Admission(of), notices, metrics, of)
        host = SparkplugHost("ours", of.broker, of, book, keeper, notices, metrics)
        hosts = Hosts(book, lambda _: host, 60)
        links = Links(of, book, metrics, no_pipeline, frozenset())
        await hosts.follow(tasks)
        links.measure(hosts)
        assert shown(metrics) == {"brokers": 1, "brokers_connected": 0, "held": 0, "qos0_dropped": 0}
        async with asyncio.timeout(60):
            while not host.session.connected:
                await asyncio.sleep(0.01)
        async with other.transaction():
            await other.execute("LOCK TABLE payload IN ACCESS EXCLUSIVE MODE")
            tasks.create_task(inbox.put(Payload("plant", "busy", b"{}", topic="busy"), 60))
            blocked = "SELECT count(*) FROM pg_locks WHERE relation = 'payload'::regclass AND NOT granted"
            await until(lambda: other.fetchval(blocked), "the one writer is busy")
            await node.publish(Publication(f"spBv1.0/{group}/NDATA/n", payload(9, metric("x", "Double", 1.0)), 0))
            async with asyncio.timeout(60):
                while not host.held:
                    await asyncio.sleep(0.01)
            await node.publish(Publication(f"spBv1.0/{group}/NDATA/n", payload(10, metric("x", "Double", 2.0)), 0))
            async with asyncio.timeout(60):
                while not host.session.waiting:
                    await asyncio.sleep(0.01)
            host.session.dropped_qos0 = 3
            links.measure(hosts)
            assert shown(metrics) == {"brokers": 1, "brokers_connected": 1, "held": 1, "qos0_dropped": 3}
            closing = tasks.create_task(hosts.close())
        async with asyncio.timeout(60):
            await closing
        assert host.held == 0
        assert hosts.check() == (True, "0 connected")
    assert [row["topic"] for row in await rows(database, KEPT)] == ["busy", *2 * [f"spBv1.0/{group}/NDATA/n"]]
    said = [one.payload for one in await node.receive(10) if "STATE" in one.topic]
    assert json.loads(said[-1])["online"] is False


def no_pipeline(broker: str, _: Session) -> Pipeline:
    """For links that follow nothing."""
    raise AssertionError(broker)


def shown(metrics: BridgeMetrics) -> dict[str, float | None]:
    """What the metrics say of sessions."""
    names = ("brokers", "brokers_connected", "held", "qos0_dropped")
    return {name: metrics.registry.get_sample_value(f"wattline_bridge_{name}") for name in names}


async def _hears(running: Running) -> bool:
    _, document = await running.health()
    return document["checks"]["sparkplug"] == {"ok": True, "detail": "1 connected"}


async def _count(database: Database) -> int:
    return len(await rows(database, KEPT))
