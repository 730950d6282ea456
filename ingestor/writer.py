"""One batch into the database in one transaction: COPY, or staging where rows are in the table already."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from ingestor.batch import Batch
from ingestor.batch_log import Entry
from ingestor.names import Connection
from ingestor.records import clean_json
from ingestor.rows import HEADER, LEDGER_COLUMNS, READING_BYTES, READING_COLUMNS, TRAILER, by_time, instant
from store.queries import load

PIECE_ROWS = 100
"""Rows in one transaction where a whole batch needs more locks than the server has: at worst each makes a chunk."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a committed batch changed: readings that were new, and those that the table had."""

    rows: int
    repeated: int


class Writer:
    """Writes batches whose names are resolved."""

    async def write(self, connection: Connection, batch: Batch, *, staged: bool, entry: Entry | None = None) -> Written:
        """Store the batch, and what `entry` tells of those before, and commit.

        Unstaged it raises UniqueViolationError if a reading or, unknown to us, a commit of before is in already; staged
        it leaves what is there as it is.
        """
        async with connection.transaction():
            await self._write_records(connection, batch, entry)
            rows = 0
            if staged:
                rows = await self._stage_readings(connection, bytes(batch.fresh + batch.repeats))
                await self._stage_ledger(connection, batch)
            else:
                if batch.fresh:
                    await _copy(connection, "reading", READING_COLUMNS, batch.fresh)
                    rows = len(batch.fresh) // READING_BYTES
                if batch.repeats:
                    rows += await self._stage_readings(connection, bytes(batch.repeats))
                if batch.ledger:
                    await _copy(connection, "message", LEDGER_COLUMNS, batch.ledger)
        return Written(rows, batch.rows - rows)

    async def write_in_pieces(self, connection: Connection, batch: Batch, entry: Entry | None = None) -> Written:
        """Store readings that spread over more chunks than one transaction can lock, then the rest.

        Not one transaction, but the same in the end: a piece that is in already changes nothing.
        """
        rows = 0
        for piece in by_time(batch.fresh + batch.repeats, PIECE_ROWS):
            async with connection.transaction():
                rows += await self._stage_readings(connection, piece)
        async with connection.transaction():
            await self._write_records(connection, batch, entry)
            await self._stage_ledger(connection, batch)
        return Written(rows, batch.rows - rows)

    async def _write_records(self, connection: Connection, batch: Batch, entry: Entry | None) -> None:
        if entry is not None:
            await entry.write(connection)
        # not from memory, which another writer may have cleared since
        devices = batch.device_ids
        if batch.statuses:
            states = sorted((devices[name], state) for name, (_, state) in batch.statuses.items())
            await connection.execute(
                load("update_statuses"),
                [device_id for device_id, _ in states],
                [state.online for _, state in states],
                [state.since for _, state in states],
                [state.boot for _, state in states],
                [state.software for _, state in states],
            )
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
            rows = list(batch.stored.values())
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

    async def _stage_readings(self, connection: Connection, readings: bytes) -> int:
        if not readings:
            return 0
        await connection.execute(load("make_staging"))
        await _copy(connection, "incoming_reading", READING_COLUMNS, readings)
        return int((await connection.execute(load("take_staged_readings"))).split()[-1])

    async def _stage_ledger(self, connection: Connection, batch: Batch) -> None:
        if not batch.ledger:
            return
        await connection.execute(load("make_staging"))
        await _copy(connection, "incoming_message", LEDGER_COLUMNS, batch.ledger)
        times = [received.received_us for received in batch.received]
        await connection.execute(load("take_staged_messages"), instant(min(times)), instant(max(times)))


async def _copy(connection: Connection, table: str, columns: tuple[str, ...], rows: bytes | bytearray) -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield HEADER
        yield bytes(rows)
        yield TRAILER

    await connection.copy_to_table(table, source=stream(), columns=columns, format="binary")
