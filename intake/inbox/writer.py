"""One writer's connection, and the transaction of a batch by it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg

from intake.inbox.payload import Payload
from intake.inbox.store import StoredPayload, add_payloads, find_payloads
from store.errors import DATABASE_ERRORS
from store.pool import Pool
from store.replicated_commit import confirmed, wait_for_standby

PooledConnection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"


@dataclass(frozen=True, slots=True)
class Committed:
    """What a batch found, by source and key."""

    new: dict[tuple[str, str], StoredPayload]
    old: dict[tuple[str, str], StoredPayload]


class Writer:
    """One writer's connection, which it keeps while it does: to lend it anew costs as much as a small batch."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._hold: asyncpg.pool.PoolAcquireContext[asyncpg.Record] | None = None
        self._connection: PooledConnection | None = None

    async def commit(self, payloads: list[Payload]) -> Committed:
        """Commit a batch; what is there already is found by its key. Raises database errors."""
        # in one order of keys, so that two writers never wait for one another
        payloads = sorted(payloads, key=lambda one: (one.source, one.key))
        sources, keys = [one.source for one in payloads], [one.key for one in payloads]
        async with self.connected() as connection:
            async with confirmed(connection):
                # alone it is a transaction of its own, in one exchange with the server
                new = await add_payloads(
                    connection,
                    sources,
                    keys,
                    [one.content_type for one in payloads],
                    [one.topic for one in payloads],
                    [one.body for one in payloads],
                    [one.came_at for one in payloads],
                )
            found = {(one.source, one.key): one for one in new}
            old: dict[tuple[str, str], StoredPayload] = {}
            if missing := [one for one in zip(sources, keys, strict=True) if one not in found]:
                old = await _there_already(connection, missing)
        return Committed(found, old)

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[PooledConnection]:
        """The connection; given back where the block fails. Raises database errors."""
        if self._connection is not None and _is_gone(self._connection):
            await self.give_back(None)
        if self._connection is None:
            self._hold = self._pool.acquire()
            self._connection = await self._hold.__aenter__()
        try:
            yield self._connection
        except BaseException as error:
            await self.give_back(error)
            raise

    async def give_back(self, error: BaseException | None) -> None:
        """Give it back after an error: the pool throws it away where its server is no primary any more."""
        hold, self._hold, connected = self._hold, None, self._connection is not None
        self._connection = None
        if hold is not None and connected:
            # one that is lost has nothing to be given back, and the pool makes another one
            with contextlib.suppress(*DATABASE_ERRORS):
                await hold.__aexit__(type(error) if error else None, error, None)


def _is_gone(connection: PooledConnection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        # it was lost, and the pool has taken it back already
        return True


async def _there_already(
    connection: PooledConnection, missing: list[tuple[str, str]]
) -> dict[tuple[str, str], StoredPayload]:
    """The ids of repeats; a standby confirms that they are safe, as it may not have when they came first."""
    async with confirmed(connection), connection.transaction():
        rows: list[StoredPayload] = await find_payloads(
            connection, [source for source, _ in missing], [key for _, key in missing]
        )
        await wait_for_standby(connection)
    return {(one.source, one.key): one for one in rows}
