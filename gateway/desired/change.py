"""The one way in which configuration changes: lock, published specs, rebuilding and announcement in one transaction."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from broker.contract.messages import Desired
from gateway.desired.build import rebuild, store_desired
from gateway.desired.software import SoftwareChange, reissued, store_software
from gateway.desired.spec_catalogue import SpecCatalogue, refreshed
from gateway.desired.state import load_states
from gateway.desired.store import republish, republish_software, take_config_lock
from gateway.principals import SYSTEM
from store.pool import Pool
from store.sql import Connection


class Change:
    """A change of configuration inside its transaction, which alone may write any.

    Its commit announces it: what it writes to `desired` and `software_desired` waits there until a gateway has
    published it (bus.outbox).
    `catalogue` is the published specs as the store has them now.
    """

    def __init__(self, connection: Connection, catalogue: SpecCatalogue) -> None:
        self.connection = connection
        self.catalogue = catalogue
        self.configured: set[str] = set()
        """The devices whose configuration this has changed, by name."""
        self.software: list[SoftwareChange] = []
        """What this has changed of which software devices are to run."""

    async def renew(self) -> None:
        """Take into `catalogue` what this change itself did to the published specs."""
        self.catalogue = await refreshed(self.connection, self.catalogue)

    async def rebuild(self, device_ids: Sequence[int] | None, *, author: str = SYSTEM) -> list[str]:
        """Bring what devices are to have up to date, with None of all; returns those for which it changed."""
        made = await rebuild(self.connection, device_ids, self.catalogue, author=author)
        self.configured.update(made.configured)
        self.software += made.software
        return list(dict.fromkeys([*made.configured, *(one.device for one in made.software)]))

    async def reissue_software(self, device_ids: Sequence[int], *, author: str) -> list[SoftwareChange]:
        """Have devices try again what they are to run, those of which anything is desired."""
        states, now = await load_states(self.connection, device_ids), datetime.now(UTC)
        made = [one for state in states if (one := reissued(state, author, now)) is not None]
        await store_software(self.connection, made)
        self.software += made
        return made

    async def replace(self, device_id: int, desired: Desired) -> None:
        """Make this the desired configuration of a device, as somebody has published it by hand."""
        await store_desired(self.connection, [(device_id, desired)])

    async def republish(self, devices: Iterable[str]) -> list[str]:
        """Have configurations published again that the broker does not hold; returns those that did not wait already.

        One that a gateway has in hand is published again after that, as it may have reached the broker before its loss.
        """
        return [one.name for one in await republish(self.connection, list(devices)) if one.announced]

    async def republish_software(self, devices: Iterable[str]) -> list[str]:
        """The same of which software devices are to run, and of what is to be cleared."""
        return [one.name for one in await republish_software(self.connection, list(devices)) if one.announced]


class Configuration:
    """The configuration of the platform: who changes any of it does so inside `changing()`.

    `catalogue` is the published specs as this process knows them.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.catalogue = SpecCatalogue({})

    async def renew(self, connection: Connection) -> SpecCatalogue:
        """The published specs as the store has them now: another gateway may have changed them.

        Never inside a transaction that has changed them itself, as it may not commit.
        """
        known = self.catalogue
        fresh = await refreshed(connection, known)
        # another task of this process may have read it meanwhile, and later than this one
        if self.catalogue is known or fresh.revision > self.catalogue.revision:
            self.catalogue = fresh
        return fresh

    async def reload(self) -> SpecCatalogue:
        """The published specs as the store has them now, read outside any change. Raises asyncpg's errors."""
        async with self._pool.acquire() as connection:
            return await self.renew(connection)

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Change]:
        """A transaction that alone may write configuration; it waits for others to end. Raises asyncpg's errors."""
        async with self._pool.acquire() as connection, connection.transaction():
            await take_config_lock(connection)
            change = Change(connection, await self.renew(connection))
            yield change
        if change.catalogue.revision > self.catalogue.revision:
            self.catalogue = change.catalogue
