"""The gateway's ear at the database: what it leaves behind when it is stopped."""

import asyncio

import pytest
from asyncpg.connection import LoggedQuery

from broker.contract.topics import Topics
from broker.mqtt.session import Session, SessionOptions
from gateway.bus.logins import Logins
from gateway.bus.notices import CREDENTIALS, DESIRED, SPECS, Notices
from gateway.bus.outbox import Outbox
from gateway.bus.publisher import Publisher
from gateway.desired.change import Configuration
from gateway.metrics import Metrics
from store.pool import open_pool
from tests.rigs.servers import Broker, Database


@pytest.mark.parametrize("channel", [SPECS, DESIRED, CREDENTIALS])
async def test_stopped_while_it_begins_to_listen_it_leaves_no_listener(
    broker: Broker, database: Database, channel: str
) -> None:
    """A connection that goes back to the pool hears nothing more, at whichever channel the stop came."""
    metrics = Metrics()
    dsn = database.dsn("wattline_gateway")
    async with open_pool(dsn, min_size=1, max_size=1, application_name="notices-test") as pool:
        configuration = Configuration(pool)
        session = Session(broker.address("gateway"), SessionOptions("notices-test"))
        publisher = Publisher(session, Outbox(pool, "one", metrics), Topics(), metrics, configuration, read_s=60.0)

        logins = Logins(broker.address("gateway"), "notices-test", Topics(), pool, metrics, session.publish)

        def stop(query: LoggedQuery) -> None:
            if query.query == f'LISTEN "{channel}"':
                notices.cancel()

        async with pool.acquire() as connection:
            connection.add_query_logger(stop)
        notices = asyncio.create_task(Notices(pool, configuration, publisher, logins, metrics).run())
        # asyncpg warns of a listener that is left, and a warning is an error here
        with pytest.raises(asyncio.CancelledError):
            await notices
