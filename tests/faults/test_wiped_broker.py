"""A broker that loses everything while the gateway has messages of it in hand."""

from broker.topics import Kind
from gateway.sql import load
from tests.integration.gateway_rig import (
    connection,
    entered,
    gateway,
    gateway_settings,
    p1_meter,
    registration,
    rows,
    send,
    until,
    watching,
)
from tests.servers import Broker, Database

DEADLINE_S = 30.0
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
            good = await until(lambda: seen.desired("d1"), "it is retained", DEADLINE_S)
        async with connection(database) as opened:
            transaction = opened.transaction()
            await transaction.start()
            await opened.execute("LOCK TABLE desired IN ACCESS EXCLUSIVE MODE")
            async with entered(broker, "engineer") as engineer:
                await send(engineer, broker.topics, Kind.DESIRED, "d1", good.payload())

            async def in_hand() -> bool:
                return bool(await rows(database, WAITS, load("desired_known")))

            await until(in_hand, "the gateway has the message in hand", DEADLINE_S)
            await broker.server.kill()
            broker.server.remove_data()

            async def connected(number: int) -> bool:
                return await running.metric("wattline_gateway_broker_connected") == number

            await until(lambda: connected(0), "the gateway has noticed", DEADLINE_S)
            await broker.server.start()
            await until(lambda: connected(1), "it is back at the empty broker", DEADLINE_S)
            async with watching(broker) as seen:
                await transaction.rollback()
                await until(lambda: seen.desired("d1") == good, "the empty broker gets it", DEADLINE_S)
                assert seen.specs() == {config.spec for config in good.meters.values()}
