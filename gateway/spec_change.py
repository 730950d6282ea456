"""A change of what is published or who gets it: one transaction, its shelf, and the meters that are matched anew."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.database import Connection
from gateway.desired import configuring, rebuild
from gateway.publisher import Publisher
from gateway.shelf import Shelf, refreshed
from gateway.sql import load
from store.pool import Pool


@dataclass
class Change:
    """A change inside its transaction."""

    connection: Connection
    shelf: Shelf
    devices: tuple[str, ...] = ()

    async def settle(self, protocol: str | None = None) -> tuple[str, ...]:
        """Take the change into the shelf and match all meters of a protocol anew; returns the devices it changed."""
        self.shelf = await refreshed(self.connection, self.shelf)
        if protocol is not None:
            rows = await self.connection.fetch(load("devices_of_protocol"), protocol)
            self.devices = tuple(await rebuild(self.connection, [row["id"] for row in rows], self.shelf))
        return self.devices


@asynccontextmanager
async def changing(pool: Pool, publisher: Publisher) -> AsyncIterator[Change]:
    """The configuration's lock, the shelf as the store has it, and after the commit the publication of what changed.

    Whoever gets the lock next, in this process or another, reads the shelf anew where it changed.
    """
    async with configuring(pool) as connection:
        change = Change(connection, await publisher.renew(connection))
        yield change
    publisher.shelf = change.shelf
    publisher.mark(*change.devices)
