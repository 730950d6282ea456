"""A broker that loses everything while the gateway has messages of it in hand."""

from broker.contract.topics import Kind
from broker.mqtt.publication import Publication
from gateway.bus.store import find_desired
from store.sql import declared
from tests.rigs.gateway import (
    connection,
    entered,
    gateway,
    gateway_settings,
    p1_meter,
    registration,
    rows,
    send,
    watching,
)
from tests.rigs.parameters import done, register
from tests.rigs.servers import Broker, Database
from tests.rigs.updaters import NEW, SOURCE, desired_software
from tests.rigs.waiting import until

DEADLINE_S = 60.0
WAITS = """
SELECT FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'wattline-gateway' AND wait_event_type = 'Lock'
  AND query = $1
"""


async def test_what_a_broker_said_before_it_lost_everything_is_not_believed(
    own_broker: Broker, database: Database
) -> None:
    """A configuration seen on a connection that is gone by the time it is dealt with is published to the empty broker.

    The database holds the gateway up in the midst of a message that says the broker has d1's configuration. The
    broker loses all meanwhile, so that message says nothing of what it holds when the gateway goes on.
    """
    broker = own_broker
    await broker.add_device("d1")
    async with gateway(gateway_settings(broker, database)) as running:
        async with watching(broker) as seen, entered(broker, "d1") as device:
            await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
            good = await until(lambda: seen.desired("d1"), "it is retained", timeout_s=DEADLINE_S)
        async with connection(database) as opened:
            transaction = opened.transaction()
            await transaction.start()
            await opened.execute("LOCK TABLE desired IN ACCESS EXCLUSIVE MODE")
            async with entered(broker, "engineer") as engineer:
                await send(engineer, broker.topics, Kind.DESIRED, "d1", good.payload())

            async def in_hand() -> bool:
                return bool(await rows(database, WAITS, declared(find_desired).text))

            await until(in_hand, "the gateway has the message in hand", timeout_s=DEADLINE_S)
            await broker.server.kill()
            broker.server.remove_data()

            async def connected(number: int) -> bool:
                return await running.metric("wattline_gateway_broker_connected") == number

            await until(lambda: connected(0), "the gateway has noticed", timeout_s=DEADLINE_S)
            await broker.server.start()
            await until(lambda: connected(1), "it is back at the empty broker", timeout_s=DEADLINE_S)
            async with watching(broker) as seen:
                await transaction.rollback()
                await until(lambda: seen.desired("d1") == good, "the empty broker gets it", timeout_s=DEADLINE_S)
                assert seen.specs() == {config.spec for config in good.meters.values()}


async def test_which_software_devices_are_to_run_comes_back(own_broker: Broker, database: Database) -> None:
    """A broker that has lost everything is told again; so is one whose message somebody took or changed."""
    broker = own_broker
    async with gateway(gateway_settings(broker, database, reconcile_s=2.0)) as running:
        async with watching(broker) as seen:
            await register(broker, seen, "d1")
            software = {"software_release": NEW, "software_source": SOURCE}
            await done(running, "PATCH", "/devices/d1/parameters", software)
            first = await until(lambda: desired_software(seen, "d1"), "it is retained", timeout_s=DEADLINE_S)
            await done(running, "PATCH", "/devices/d1/parameters", {"software_probation_s": 60})
            topic = broker.topics.of(Kind.SOFTWARE_DESIRED, "d1")
            await until(lambda: desired_software(seen, "d1") != first, "so is the next", timeout_s=DEADLINE_S)
            good = desired_software(seen, "d1")
            assert good is not None
            other = good.model_copy(update={"source": "http://elsewhere.test"})
            # the last of these looks like an echo of ours: it is found when all is compared
            for payload in (b"", b"x", other.payload(), first.payload()):
                async with entered(broker, "gateway") as somebody:
                    await somebody.publish(Publication(topic, payload, 1, retain=True))
                await until(lambda: seen.newest[topic] == good.payload(), "it is put right", timeout_s=DEADLINE_S)
        await broker.server.kill()
        broker.server.remove_data()
        await broker.server.start()
        async with watching(broker) as seen:
            await until(lambda: desired_software(seen, "d1") == good, "it is told again", timeout_s=DEADLINE_S)
            await done(running, "PATCH", "/devices/d1/parameters", dict.fromkeys(software))
            await until(lambda: seen.newest.get(topic) == b"", "nothing is desired any more", timeout_s=DEADLINE_S)
