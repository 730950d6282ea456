"""The published specs as a gateway's process knows them."""

import asyncio
from typing import Any

from gateway.desired.change import Configuration
from gateway.desired.spec_catalogue import publish_catalogue
from gateway.metrics import Metrics
from meters.specs.catalogue import catalogue
from store.pool import open_pool
from store.sql import Connection
from tests.rigs.gateway import connection
from tests.rigs.servers import Database


class SlowReader:
    """A connection whose lists of rows come only when they are let through."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.reading = asyncio.Event()
        self.go = asyncio.Event()

    async def fetch(self, query: str, *arguments: Any) -> Any:
        """As a connection, once `go` is set; `reading` says that it waits."""
        self.reading.set()
        await self.go.wait()
        return await self._connection.fetch(query, *arguments)

    async def fetchrow(self, query: str, *arguments: Any) -> Any:
        """As a connection."""
        return await self._connection.fetchrow(query, *arguments)


async def publish(configuration: Configuration, first: int, last: int) -> None:
    async with configuration.changing() as change:
        await publish_catalogue(change.connection, catalogue()[first:last], Metrics())
        await change.renew()


async def test_what_was_read_before_a_change_does_not_replace_what_the_change_left(bare_database: Database) -> None:
    """Of two tasks that read at a time the later knowledge stays, whichever ends last."""
    dsn = bare_database.dsn("wattline_gateway")
    async with (
        open_pool(dsn, min_size=1, max_size=3, application_name="catalogue-test") as pool,
        pool.acquire() as connection,
    ):
        await publish(Configuration(pool), 0, 1)
        configuration = Configuration(pool)
        slow: Any = SlowReader(connection)
        early = asyncio.create_task(configuration.renew(slow))
        await slow.reading.wait()
        await publish(configuration, 1, 3)
        after = configuration.catalogue
        slow.go.set()
        assert (await early).revision < after.revision
        assert configuration.catalogue is after
        assert len((await configuration.reload()).specs) == 3


async def test_what_we_ship_is_not_read_out_of_the_store_again(bare_database: Database) -> None:
    """A start takes the shipped spec where the store has the same, and what the store has of another content."""
    first, second = catalogue()[:2]
    other = "UPDATE spec SET sha256 = 'another' WHERE name = $1"
    dsn = bare_database.dsn("wattline_gateway")
    async with open_pool(dsn, min_size=1, max_size=2, application_name="catalogue-test") as pool:
        await publish(Configuration(pool), 0, 2)
        async with connection(bare_database) as opened:
            await opened.execute("ALTER TABLE spec DISABLE TRIGGER spec_is_immutable")
            await opened.execute(other, second.name)
        found = (await Configuration(pool).reload()).specs
        assert found[first.ref].spec is first
        assert found[second.ref].spec == second
        assert found[second.ref].spec is not second
