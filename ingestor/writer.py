"""One batch into the database in one transaction: COPY, or staging where rows are in the table already."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg

from ingestor import conflicts as conflicts_module
from ingestor.batch import Batch
from ingestor.batch_log import Entry
from ingestor.conflicts import Conflict
from ingestor.live_chunk import LiveChunk, Samples
from ingestor.names import Connection
from ingestor.records import Stored, clean_json
from ingestor.rows import HEADER, LEDGER_COLUMNS, READING_BYTES, READING_COLUMNS, TRAILER, by_time, instant
from store.queries import load

PIECE_ROWS = 100
"""Rows in one transaction where a whole batch needs more locks than the server has: at worst each makes a chunk."""


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
        await _write_statuses(connection, batch)
        return Written(rows, batch.rows - rows - len(conflicts), len(conflicts), refused)

    async def write_in_pieces(self, connection: Connection, batch: Batch, entry: Entry | None = None) -> Written:
        """Store readings that spread over more chunks than one transaction can lock, then the rest.

        Not one transaction, but the same in the end: a piece that is in already changes nothing.
        """
        rows, conflicts = 0, list[Conflict]()
        for piece in by_time(batch.readings, PIECE_ROWS):
            async with connection.transaction():
                rows += await self._stage_readings(connection, piece, conflicts)
        async with connection.transaction():
            await self._write_records(connection, batch, entry)
            await self._stage_ledger(connection, batch)
            refused = await self._keep(connection, batch, conflicts)
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
        """Put values that conflict into quarantine, and tell of their meters."""
        if self._explain is None or not conflicts:
            return ()
        refused = self._explain(batch, conflicts)
        if not refused:
            return ()
        names = sorted({row.device for row in refused if row.device})
        found = await connection.fetch(load("find_devices"), names)
        await _add_frames(connection, refused, {row["name"]: row["id"] for row in found})
        await conflicts_module.tell(connection, conflicts, refused)
        return tuple(refused)

    async def _write_records(self, connection: Connection, batch: Batch, entry: Entry | None) -> None:
        if entry is not None:
            await entry.write(connection)
        if batch.boot_ends:
            ends = sorted(batch.boot_ends.items())
            await connection.execute(
                load("add_boot_ends"),
                [device_id for (device_id, _), _ in ends],
                [boot for (_, boot), _ in ends],
                [seq for _, (seq, _) in ends],
                [instant(told_us) for _, (_, told_us) in ends],
            )
        if batch.stored:
            # the ids are not from memory, which another writer may have cleared since
            await _add_frames(connection, list(batch.stored.values()), batch.device_ids)
        if batch.events:
            events = list(batch.events.values())
            await connection.execute(
                load("add_events"),
                [instant(event.received_us) for event in events],
                [event.at for event in events],
                [event.device_id for event in events],
                [event.meter_id for event in events],
                [event.event for event in events],
                [event.severity for event in events],
                [event.boot for event in events],
                [event.seq for event in events],
                [clean_json(event.detail) for event in events],
            )

    async def _stage_readings(self, connection: Connection, readings: bytes, conflicts: list[Conflict]) -> int:
        """Enter what is not there yet, and add to `conflicts` what is there with another value."""
        if not readings:
            return 0
        await connection.execute(load("make_staging"))
        await _copy(connection, "incoming_reading", READING_COLUMNS, readings)
        taken = int((await connection.execute(load("take_staged_readings"))).split()[-1])
        if self._explain is not None and taken < len(readings) // READING_BYTES:
            conflicts += await conflicts_module.find(connection)
        return taken

    async def _stage_ledger(self, connection: Connection, batch: Batch) -> None:
        if not batch.ledger:
            return
        await connection.execute(load("make_staging"))
        await _copy(connection, "incoming_message", LEDGER_COLUMNS, batch.ledger)
        times = [received.received_us for received in batch.received]
        await connection.execute(load("take_staged_messages"), instant(min(times)), instant(max(times)))


async def _add_frames(connection: Connection, rows: list[Stored], devices: Mapping[str, int]) -> None:
    await connection.execute(
        load("add_frames"),
        [instant(row.received_us) for row in rows],
        [devices.get(row.device) if row.device else None for row in rows],
        [row.meter_id for row in rows],
        [row.topic for row in rows],
        [row.kind for row in rows],
        [row.reason for row in rows],
        [row.detail for row in rows],
        [row.port for row in rows],
        [row.protocol for row in rows],
        [row.at for row in rows],
        [clean_json(row.hints) for row in rows],
        [row.data for row in rows],
        [row.delivery for row in rows],
        [row.doubtful for row in rows],
    )


async def _write_statuses(connection: Connection, batch: Batch) -> None:
    """The state of devices, after the transaction: each ingestor of a group writes the same rows.

    Within it they would stay locked for all while a COPY lasts, and for long where its client is gone. What fails here
    has the batch written again, which changes nothing.
    """
    if not batch.statuses:
        return
    states = sorted((batch.device_ids[name], state) for name, (_, state) in batch.statuses.items())
    await connection.execute(
        load("update_statuses"),
        [device_id for device_id, _ in states],
        [state.online for _, state in states],
        [state.since for _, state in states],
        [state.boot for _, state in states],
        [state.software for _, state in states],
    )


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
