"""The bridge against a real Mosquitto and a real database: what foreign devices publish is kept, once each."""

import asyncio
import json
import secrets

import asyncpg
import pytest
from pydantic import SecretStr

from broker.errors import PermanentError
from broker.mqtt.session import Publication, RefusedError
from deploy.local.process import free_port
from intake.bridge.metrics import BridgeMetrics
from intake.bridge.service import run
from intake.notices.notices import Notices
from meters.mappings.catalogue import named
from meters.mappings.load import load_mapping
from store.pool import open_pool
from tests.rigs.bridging import add_source, bridging, foreign, payloads, settings
from tests.rigs.gateway import connection
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal


@pytest.fixture
def prefix() -> str:
    """A foreign root of this test alone: the broker is everybody's."""
    return f"foreign/{secrets.token_hex(4)}"


async def test_what_foreign_devices_publish_is_kept_for_their_source(
    broker: Broker, database: Database, prefix: str
) -> None:
    """By each source that claims the topic, of QoS 0 and 1, equal readings each for itself; nothing of other topics."""
    await add_source(database, "plugs", [f"{prefix}/tele/+/SENSOR"])
    await add_source(database, "all", [f"{prefix}/#"])
    async with bridging(settings(broker, database)) as bridge, foreign(broker) as device:
        for number in range(3):
            await device.publish(Publication(f"{prefix}/tele/p1/SENSOR", b'{"ENERGY":{"Total":1}}', number % 2))
        await device.publish(Publication(f"{prefix}/stat", b"\xff\x00", 1))
        await until_equal(lambda: _count(database), 7)
        kept = await payloads(database)
        assert kept.count(("plugs", f"{prefix}/tele/p1/SENSOR", b'{"ENERGY":{"Total":1}}')) == 3
        assert kept.count(("all", f"{prefix}/stat", b"\xff\x00")) == 1
        await until_equal(lambda: bridge.metric('wattline_bridge_messages_total{result="kept"}'), 7)
        assert (await bridge.health())[0] == 200


async def test_sources_are_followed_as_they_change(broker: Broker, database: Database, prefix: str) -> None:
    """One that is added is subscribed to, one that is disabled is no more, without a restart."""
    await add_source(database, "one", [f"{prefix}/one"])
    async with bridging(settings(broker, database)) as bridge, foreign(broker) as device:
        await add_source(database, "two", [f"{prefix}/two"])
        await until_equal(lambda: bridge.metric("wattline_bridge_sources"), 2)

        async def kept(source: str) -> bool:
            await device.publish(Publication(f"{prefix}/{source}", secrets.token_bytes(4)))
            return bool(await payloads(database, source))

        await until(lambda: kept("two"))
        connection = await asyncpg.connect(database.dsn())
        await connection.execute("UPDATE source SET enabled = false WHERE name = 'two'")
        await connection.close()
        await until_equal(lambda: bridge.metric("wattline_bridge_sources"), 1)
        before = await payloads(database, "two")
        await device.publish(Publication(f"{prefix}/two", b"late"))
        await until(lambda: kept("one"))
        assert await payloads(database, "two") == before


async def test_a_source_that_can_not_be_bridged_says_why(broker: Broker, database: Database, prefix: str) -> None:
    """A filter over our own devices' topics, and a broker that nobody set, harm no other source."""
    await add_source(database, "greedy", ["#"])
    await add_source(database, "lost", [f"{prefix}/x"], broker="attic")
    await add_source(database, "good", [f"{prefix}/good"])
    async with bridging(settings(broker, database)) as bridge, foreign(broker) as device:
        await device.publish(Publication(f"{prefix}/good", b"1"))
        await until_equal(lambda: payloads(database, "good"), [("good", f"{prefix}/good", b"1")])
        _, document = await bridge.health()
        detail = document["checks"]["brokers"]["detail"]
        assert "greedy" in detail
        assert "WATTLINE_BRIDGE_BROKERS__ATTIC__HOST" in detail
        assert await bridge.metric("wattline_bridge_sources_faulty") == 2
        await until_equal(lambda: _events(database), ["source_not_bridged", "source_not_bridged"])


async def test_a_topic_that_floods_is_refused_and_the_others_go_on(
    broker: Broker, database: Database, prefix: str
) -> None:
    """It is counted and told; what is over its share is let go, so that nobody waits behind it."""
    await add_source(database, "plugs", [f"{prefix}/#"])
    async with bridging(settings(broker, database, topic_per_s=1, payload_kib=1)) as bridge, foreign(broker) as device:
        await asyncio.gather(*(device.publish(Publication(f"{prefix}/mad", b"%d" % one)) for one in range(300)))
        await device.publish(Publication(f"{prefix}/large", b"x" * 2000))
        await device.publish(Publication(f"{prefix}/calm", b"1"))
        await until(lambda: _kept(database, f"{prefix}/calm"))
        mad = await _kept(database, f"{prefix}/mad")
        flooded = await bridge.metric('wattline_bridge_messages_total{result="flood"}')
        assert mad + flooded == 300
        assert 60 <= mad < 200
        assert await bridge.metric('wattline_bridge_messages_total{result="too_large"}') == 1
        await until_equal(lambda: _events(database), ["source_flooding", "source_message_too_large"])


async def test_retained_messages_become_no_old_readings(broker: Broker, database: Database, prefix: str) -> None:
    """Of a source whose payloads have no time of their own they are passed over; live ones are not."""
    await add_source(database, "plugs", [f"{prefix}/#"])
    async with foreign(broker) as device:
        await device.publish(Publication(f"{prefix}/a", b"old", retain=True))
        async with bridging(settings(broker, database)) as bridge:
            await until_equal(lambda: bridge.metric('wattline_bridge_messages_total{result="retained"}'), 1)
            await device.publish(Publication(f"{prefix}/a", b"new", retain=True))
            await until_equal(lambda: payloads(database), [("plugs", f"{prefix}/a", b"new")])
        await device.publish(Publication(f"{prefix}/a", b"", retain=True))


async def test_the_mapping_names_the_topics_and_whether_retained_messages_say_when(
    broker: Broker, database: Database, prefix: str
) -> None:
    """One whose payloads have a time of their own is given the retained ones, too, each once however often it comes."""
    text = named("generic-json").text.replace("topic: foreign/{meter}", f"topic: {prefix}/{{meter}}")
    await add_source(database, "plugs", [], text)
    async with foreign(broker) as device:
        body = b'{"at":"2026-11-23T10:00:00Z","values":{"1-0:1.8.0":1}}'
        await device.publish(Publication(f"{prefix}/a", body, retain=True))
        async with bridging(settings(broker, database)) as bridge:
            await until_equal(lambda: bridge.metric('wattline_bridge_messages_total{result="kept"}'), 1)
        async with bridging(settings(broker, database)) as bridge:
            await until_equal(lambda: bridge.metric('wattline_bridge_messages_total{result="repeated"}'), 1)
        assert len(await payloads(database)) == 1
        await device.publish(Publication(f"{prefix}/a", b"", retain=True))


async def test_a_foreign_login_has_nothing_of_ours(broker: Broker, database: Database, prefix: str) -> None:
    """It can't publish as a device of ours or as our outlet; and a broker that is away keeps no other from working."""
    await add_source(database, "here", [f"{prefix}/#"])
    await add_source(database, "there", ["x/#"], broker="attic")
    away = broker.address("bridge").model_copy(update={"port": free_port()})
    of = settings(broker, database, brokers={"attic": away})
    async with foreign(broker) as device:
        for ours in (
            f"{broker.topics.root}/devices/pi-1/readings", "spBv1.0/Wattline/DDATA/wattline/LGZ:1",
            "homeassistant/device/wattline_meter_1/config", "wattline/ha/wattline/wattline_meter_1/state",
        ):  # fmt: skip
            with pytest.raises(RefusedError):
                await device.publish(Publication(ours, b"{}"))
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            from intake.bridge.service import run

            group.create_task(run(of.model_copy(update={"http_port": 0}), stop))

            async def kept() -> bool:
                await device.publish(Publication(f"{prefix}/a", b"1"))
                return bool(await payloads(database, "here"))

            await until(kept)
            stop.set()


async def _count(database: Database) -> int:
    return len(await payloads(database))


async def _kept(database: Database, topic: str) -> int:
    return sum(one == topic for _, one, _ in await payloads(database))


async def _events(database: Database) -> list[str]:
    async with database.connection() as opened:
        rows = await opened.fetch("SELECT event FROM event e JOIN device d ON d.id = e.device_id ORDER BY event")
        return [row["event"] for row in rows]


async def test_devices_that_announce_themselves_are_proposed(broker: Broker, database: Database, prefix: str) -> None:
    """With a mapping that reads what they publish; a device that takes its announcement back is proposed no more."""
    name = prefix.rpartition("/")[2]
    announcement = {
        "dev_cla": "energy", "unit_of_meas": "kWh", "stat_cla": "total_increasing", "name": "Total",
        "stat_t": f"{prefix}/sensor/total/state", "uniq_id": f"{name}_total", "dev": {"ids": name, "name": name},
    }  # fmt: skip
    topic = f"homeassistant/sensor/{name}/total/config"
    async with foreign(broker) as device:
        await device.publish(Publication(topic, json.dumps(announcement).encode(), retain=True))
        await device.publish(Publication(f"homeassistant/sensor/{name}/bad/config", b"{", retain=False))
        async with bridging(settings(broker, database)):
            (found,) = await until(lambda: _proposals(database, f"device:{name}"))
            assert (found["origin"], found["name"], found["state"]) == ("homeassistant", name, "open")
            assert found["topics"] == [f"{prefix}/sensor/total/state"]
            assert json.loads(found["detail"])["meters"] == [f"HA:{name}"]
            load_mapping(found["document"], origin="test")
            await device.publish(Publication(topic, b"", retain=True))
            await until_equal(lambda: _proposals(database, f"device:{name}"), [])


async def test_a_role_that_may_write_no_proposal_ends_the_bridge_with_a_word(
    broker: Broker, database: Database, prefix: str
) -> None:
    """A proposal is not left out in silence because somebody gave the bridge another service's login."""
    name = prefix.rpartition("/")[2]
    announcement = {"stat_t": f"{prefix}/s", "uniq_id": name, "unit_of_meas": "kWh", "dev": {"ids": name}}
    dsn = database.dsn("wattline_ingestor")
    async with foreign(broker) as device:
        topic = f"homeassistant/sensor/{name}/total/config"
        await device.publish(Publication(topic, json.dumps(announcement).encode(), retain=True))
        of = settings(broker, database).model_copy(update={"database_dsn": SecretStr(dsn), "http_port": free_port()})
        with pytest.RaisesGroup(pytest.RaisesExc(PermanentError, match="wattline_intake"), flatten_subgroups=True):
            async with asyncio.timeout(60):
                await run(of, asyncio.Event())
        await device.publish(Publication(topic, b"", retain=True))


async def test_devices_that_announce_nothing_are_proposed_by_what_they_publish(
    broker: Broker, database: Database, prefix: str
) -> None:
    """A shipped mapping that reads it is the proposal, and names the meters that it has seen."""
    plug = f"plug-{prefix.rpartition('/')[2]}"
    async with bridging(settings(broker, database)), foreign(broker) as device:

        async def proposed() -> bool:
            await device.publish(Publication(f"tele/{plug}/SENSOR", b'{"ENERGY":{"Total":1.5}}', 0))
            found = await _proposals(database, "mapping:tasmota-energy")
            return any(f"TASMOTA:{plug}" in json.loads(one["detail"])["meters"] for one in found)

        await until(proposed)
        assert await payloads(database) == []


async def _proposals(database: Database, key: str) -> list[asyncpg.Record]:
    async with database.connection() as opened:
        found: list[asyncpg.Record] = await opened.fetch("SELECT * FROM source_proposal WHERE key = $1", key)
        return found


async def test_an_event_that_the_database_refuses_keeps_no_other_waiting(database: Database) -> None:
    """It is counted, and the next one is tried; for want of a right, say, which no waiting mends."""
    await add_source(database, "plugs", ["tele/+/SENSOR"])
    metrics = BridgeMetrics()
    notices = Notices(metrics.events_lost)
    notices.tell("plugs", "source_flooding")
    notices.tell("plugs", "source_offline")

    def refused() -> float | None:
        return metrics.registry.get_sample_value("wattline_bridge_events_lost_total", {"reason": "refused"})

    async with (
        connection(database) as other,
        open_pool(database.dsn("wattline_intake"), min_size=1, max_size=1, application_name="test") as pool,
        asyncio.TaskGroup() as tasks,
    ):
        await other.execute("REVOKE ALL ON event FROM wattline_intake")
        keeping = tasks.create_task(notices.keep(pool))
        async with asyncio.timeout(60):
            while refused() != 2:
                await asyncio.sleep(0.01)
        await other.execute("GRANT SELECT, INSERT ON event TO wattline_intake")
        notices.tell("plugs", "source_message_refused")
        told = "SELECT event FROM event WHERE event ~ '^source_'"
        await until_equal(lambda: other.fetchval(told), "source_message_refused")
        keeping.cancel()
