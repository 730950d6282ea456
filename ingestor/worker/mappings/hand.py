"""What of a source a worker has in hand, told before it is mapped: so that a payload which ends workers is found.

One worker maps a source at a time. A turn that is found open by another worker than its own is one in which that one
died (out of memory, say): from then on what it had in hand is taken one by one, and a payload over which MOST_DEATHS
workers died alone is set aside. An outage of the database, or a worker that stops, is no death.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from ingestor.worker.mappings.store import (
    Turn,
    WaitingPayload,
    begin_turn,
    end_turn,
    last_turn,
    try_lock_source,
    unlock_source,
    waiting_payloads,
)
from store.errors import DATABASE_ERRORS
from store.pool import Pool
from store.sql import Connection

log = structlog.get_logger()
PORTION: Final = 200
"""Payloads of a turn, at most."""
PORTION_BYTES: Final = 4 * 1024 * 1024
"""The same in bytes; one payload is taken whatever its size."""
MOST_DEATHS: Final = 3


@dataclass(slots=True)
class Hand:
    """The payloads of a turn; with `is_deadly` it is one, which is not to be tried any more.

    Who settles none of them says that they are given back: then deaths over them still count.
    """

    payloads: list[WaitingPayload]
    is_deadly: bool = False
    is_given_back: bool = False


@contextlib.asynccontextmanager
async def in_hand(pool: Pool, worker: UUID, source: str) -> AsyncIterator[Hand]:
    """A source's next turn; nothing where nothing waits, or where another worker maps this source now."""
    async with pool.acquire() as connection:
        if not await try_lock_source(connection, source):
            yield Hand([])
            return
        hand = Hand([])
        try:
            hand = await _begin(connection, worker, source)
            yield hand
        finally:
            # where the connection is gone so is the lock, and this worker knows its own turn again
            with contextlib.suppress(*DATABASE_ERRORS):
                await end_turn(connection, source, hand.is_given_back)
                await unlock_source(connection, source)


async def _begin(connection: Connection, worker: UUID, source: str) -> Hand:
    last = await last_turn(connection, source)
    died = last is not None and last.open and last.worker != worker
    until_id = _until(last, died=died)
    payloads = await waiting_payloads(connection, source, 1 if until_id else PORTION, PORTION_BYTES, 0)
    if not payloads:
        return Hand([])
    first_id, last_id = payloads[0].id, payloads[-1].id
    deaths = 0
    if last is not None and last.first_id == last.last_id == first_id:
        deaths = last.deaths + died
    if died:
        log.warning("worker_died_mapping", source=source, first=first_id, last=until_id, deaths=deaths)
    await begin_turn(connection, source, worker, first_id, last_id, until_id if first_id <= until_id else 0, deaths)
    return Hand(payloads, is_deadly=deaths >= MOST_DEATHS)


def _until(last: Turn | None, *, died: bool) -> int:
    if last is None:
        return 0
    return max(last.until_id, last.last_id) if died else last.until_id
