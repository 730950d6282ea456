"""The chunk of `reading` that takes the present: what is not late is copied straight into it, past the trigger."""

import time
from typing import Final

import asyncpg
import structlog

from ingestor.batches.rows import micros_now
from ingestor.writing.store import Chunk, late_mark, live_chunk, number_transaction
from store.sql import Connection

log = structlog.get_logger()

_SEARCH_AGAIN_S: Final = 1.0
_LEFT_ALONE_S: Final = 60.0

Samples = list[tuple[int, int, bytes]]
"""By meter, time and packed rows."""


class ChunkGoneError(asyncpg.InterfaceError):
    """The chunk can't be written to, though it could a moment ago: what was to go there goes through the table."""


class LiveChunk:
    """Parts the readings that may go straight into a chunk from those that must go through the table.

    A trigger with a transition table, which notes late readings for the roll-ups, has PostgreSQL insert row by row, and
    costs a third of a COPY even where nothing is late. It stands on the table, for whoever writes; a reading from
    `rollup_state.noted_until` on has nothing to note, and in its chunk meets the same index and no trigger. Where
    roll-ups are no tables (Community) there is no trigger, and all goes through the table.
    """

    def __init__(self) -> None:
        self._chunk: Chunk | None = None
        self._search_s = 0.0

    async def part(self, connection: Connection, samples: Samples) -> tuple[Chunk | None, Samples, Samples]:
        """The chunk with what may go into it, and the rest. To be called in the transaction that writes them."""
        chunk = await self._find(connection) if samples else None
        if chunk is None:
            return None, [], samples
        # a transaction with a number is waited for before what came before the next mark is rolled up; so first the
        # number, and then the mark, in a statement of its own
        await number_transaction(connection)
        from_us = max(chunk.from_us, await late_mark(connection))
        live = [sample for sample in samples if from_us <= sample[1] < chunk.until_us]
        if len(live) == len(samples):
            return chunk, live, []
        return chunk, live, [sample for sample in samples if not from_us <= sample[1] < chunk.until_us]

    def gone(self, error: Exception) -> ChunkGoneError:
        """Leave chunks alone for a while; the error to raise in place of this one, so that the batch comes again."""
        log.warning("live_chunk_left_alone", reason=str(error), chunk=self._chunk and self._chunk.name)
        self._chunk, self._search_s = None, time.monotonic() + _LEFT_ALONE_S
        return ChunkGoneError(f"the chunk can't be written to: {error}")

    async def _find(self, connection: Connection) -> Chunk | None:
        now_us, now_s = micros_now(), time.monotonic()
        if self._chunk is not None and self._chunk.from_us <= now_us < self._chunk.until_us:
            return self._chunk
        self._chunk = None
        if now_s >= self._search_s:
            self._search_s = now_s + _SEARCH_AGAIN_S
            self._chunk = await live_chunk(connection)
        return self._chunk
