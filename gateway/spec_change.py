"""A change of what is published or who gets it: one transaction, its shelf, and the meters that are matched anew."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.database import Connection
from gateway.desired import configuring, rebuild
from gateway.meters import assign, from_row
from gateway.publisher import Publisher
from gateway.shelf import Shelf, refreshed
from gateway.sql import load
from meters.spec import Spec
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

    async def gone(self, spec: Spec) -> dict[str, str]:
        """Removed meters that this spec fits best, by key: their history can be filled still."""
        rows = await self.connection.fetch(load("removed_with_frames"), spec.match.protocol)
        meters = [from_row(row, json.loads(row["facts"])) for row in rows]
        assigned = assign(self.shelf.candidates(), meters, {})
        return {key: spec.ref for key, config in assigned.items() if config.spec == spec.ref}


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
