"""One batch into the database in one transaction: COPY, or staging where rows are in the table already."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, TypeAlias

import asyncpg

from ingestor.batches import conflicts as conflicts_module
from ingestor.batches import foreign
from ingestor.batches.batch import Batch
from ingestor.batches.records import Stored
from ingestor.batches.rows import HEADER, LEDGER_COLUMNS, READING_BYTES, READING_COLUMNS, TRAILER, by_time, instant
from ingestor.batches.store import Conflict, find_devices
from ingestor.writing.batch_log import Entry
from ingestor.writing.live_chunk import LiveChunk, Samples
from ingestor.writing.spans import note_spans
from ingestor.writing.store import (
    add_boot_ends,
    add_events,
    add_frames,
    make_incoming_message,
    make_incoming_reading,
    note_profile_days,
    note_remembered_days,
    take_staged_messages,
    take_staged_readings,
    update_statuses,
)  # fmt: skip
from store.replicated_commit import wait_for_standby
from store.sql import Connection

FEW_ROWS = 100
"""Rows in one transaction where a whole batch needs more locks than the server has: at worst each makes a chunk."""
MANY_ROWS = 10_000
_FIRST_DAY: Final = date(2000, 1, 1)
PIECE_DAYS = 25
"""Days in one transaction of readings that are written in pieces: whoever needs a new chunk, as for a new day, waits so
long."""


Explain: TypeAlias = Callable[[Batch, list[Conflict]], list[Stored]]


@dataclass(frozen=True, slots=True)
class Written:
    """What a committed batch changed: readings that were new, those that the table had, values that conflicted.

    `refused` are the rows of these in quarantine.
    """

    rows: int
    repeated: int
    conflicts: int = 0
    refused: tuple[Stored, ...] = ()


class Writer:
    """Writes batches whose names are resolved.

    With `explain`, values other than those that the table holds go to quarantine as the rows that it makes of them;
    without, what the table holds counts and nothing is said.
    """

    def __init__(self, explain: Explain | None = None) -> None:
        self._explain = explain
        self._live = LiveChunk()

    async def write(self, connection: Connection, batch: Batch, *, staged: bool, entry: Entry | None = None) -> Written:
        """Store the batch, and what `entry` tells of those before, and commit.

        Unstaged it raises UniqueViolationError if a reading or, unknown to us, a commit of before is in already; staged
        it leaves what is there as it is.
        """
        async with connection.transaction():
            await self._write_records(connection, batch, entry)
            rows, conflicts = 0, list[Conflict]()
            if staged:
                rows = await self._stage_readings(connection, batch.readings, conflicts)
                await self._stage_ledger(connection, batch)
            else:
                rows = await self._copy_readings(connection, batch)
                if batch.repeats:
                    rows += await self._stage_readings(connection, bytes(batch.repeats), conflicts)
                if batch.ledger:
                    await _copy(connection, "message", LEDGER_COLUMNS, batch.ledger)
            refused = await self._keep(connection, batch, conflicts)
            await note_spans(connection, batch)
        await _write_statuses(connection, batch)
        return Written(rows, batch.rows - rows - len(conflicts), len(conflicts), refused)

    async def write_in_pieces(
        self, connection: Connection, batch: Batch, most_rows: int, entry: Entry | None = None
    ) -> Written:
        """Store readings that spread over more chunks than one transaction can lock or soon make, then the rest.

        Not one transaction, but the same in the end: a piece that is in already changes nothing.
        """
        rows, conflicts = 0, list[Conflict]()
        for piece in by_time(batch.readings, most_rows, PIECE_DAYS):
            async with connection.transaction():
                rows += await self._stage_readings(connection, piece, conflicts)
        async with connection.transaction():
            await self._write_records(connection, batch, entry)
            await self._stage_ledger(connection, batch)
            refused = await self._keep(connection, batch, conflicts)
            await note_spans(connection, batch)
        await _write_statuses(connection, batch)
        return Written(rows, batch.rows - rows - len(conflicts), len(conflicts), refused)

    async def _copy_readings(self, connection: Connection, batch: Batch) -> int:
        """Copy what is new, each meter's rows together: so an index page is visited once, and not for each sample."""
        chunk, live, rest = await self._live.part(connection, batch.samples)
        through = bytes(batch.fresh) + _sorted(rest)
        if through:
            await _copy(connection, "reading", READING_COLUMNS, through)
        if chunk is not None and live:
            try:
                await _copy(connection, chunk.name, READING_COLUMNS, _sorted(live), schema=chunk.schema)
            except (
                asyncpg.UndefinedTableError,
                asyncpg.InvalidSchemaNameError,
                asyncpg.InsufficientPrivilegeError,
            ) as e:
                raise self._live.gone(e) from e
        return len(batch.fresh) // READING_BYTES + batch.sampled_rows

    async def _keep(self, connection: Connection, batch: Batch, conflicts: list[Conflict]) -> tuple[Stored, ...]:
        """Put values that conflict into quarantine, and record events of their meters."""
        if self._explain is None or not conflicts:
            return ()
        refused = self._explain(batch, conflicts)
        if not refused:
            return ()
        names = sorted({row.device for row in refused if row.device})
        await _add_frames(connection, refused, dict(await find_devices(connection, names)))
        await conflicts_module.record(connection, conflicts, refused)
        return tuple(refused)

    async def _write_records(self, connection: Connection, batch: Batch, entry: Entry | None) -> None:
        if entry is not None:
            await entry.write(connection)
        ends = sorted(batch.boot_ends.items())
        await _enter(add_boot_ends, connection, ((*boot, seq, instant(told)) for boot, (seq, told) in ends))
        # the ids are not from memory, which another writer may have cleared since
        await _add_frames(connection, batch.stored.values(), batch.device_ids)
        await _enter(add_events, connection, (event.columns() for event in batch.events.values()))
        await foreign.record(connection, batch)
        days = sorted(batch.profile_days.items())
        noted = ((meter, _date(day), instant(at_us)) for (meter, day), at_us in days)
        await _enter(note_profile_days, connection, noted)
        remembered = sorted(batch.remembered_days)
        await _enter(note_remembered_days, connection, ((meter, _date(day)) for meter, day in remembered))

    async def _stage_readings(self, connection: Connection, readings: bytes, conflicts: list[Conflict]) -> int:
        """Enter what is not there yet, and add to `conflicts` what is there with another value."""
        if not readings:
            return 0
        await make_incoming_reading(connection)
        await _copy(connection, "incoming_reading", READING_COLUMNS, readings)
        taken = await take_staged_readings(connection)
        if self._explain is not None and taken < len(readings) // READING_BYTES:
            conflicts += await conflicts_module.find(connection)
        return taken

    async def _stage_ledger(self, connection: Connection, batch: Batch) -> None:
        # all of it may be in by a COMMIT that no standby has confirmed
        await wait_for_standby(connection)
        if not batch.ledger:
            return
        await make_incoming_message(connection)
        await _copy(connection, "incoming_message", LEDGER_COLUMNS, batch.ledger)
        times = [received.received_us for received in batch.received]
        await take_staged_messages(connection, instant(min(times)), instant(max(times)))


async def _enter(
    statement: Callable[..., Awaitable[None]], connection: Connection, rows: Iterable[tuple[object, ...]]
) -> None:
    """Run a statement that takes its rows as an array for each column; without rows nothing."""
    if columns := list(zip(*rows, strict=True)):
        await statement(connection, *columns)


async def _add_frames(connection: Connection, rows: Iterable[Stored], devices: Mapping[str, int]) -> None:
    await _enter(add_frames, connection, (row.columns(devices.get(row.device or "")) for row in rows))


async def _write_statuses(connection: Connection, batch: Batch) -> None:
    """The state of devices, after the transaction: each ingestor of a group writes the same rows.

    Within it they would stay locked for all while a COPY lasts, and for long where its client is gone. What fails here
    has the batch written again, which changes nothing.
    """
    states = sorted((batch.device_ids[name], state) for name, (_, state) in batch.statuses.items())
    await _enter(update_statuses, connection, ((device_id, *state.columns()) for device_id, state in states))


def _date(day: int) -> date:
    return _FIRST_DAY + timedelta(days=day)


def _sorted(samples: Samples) -> bytes:
    return b"".join([rows for _, _, rows in sorted(samples)])


async def _copy(
    connection: Connection, table: str, columns: tuple[str, ...], rows: bytes | bytearray, *, schema: str | None = None
) -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield HEADER
        yield bytes(rows)
        yield TRAILER

    await connection.copy_to_table(table, source=stream(), columns=columns, format="binary", schema_name=schema)
