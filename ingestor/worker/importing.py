"""An import: portions of a file mapped and stored, each in one transaction with the place where it goes on."""

import asyncio
from collections.abc import Mapping as Table
from collections.abc import Sequence
from copy import copy
from dataclasses import astuple, dataclass, field
from typing import Any, Final

from broker.contract.topics import Topics
from ingestor.batches.assembler import MOST_DAYS, Assembler
from ingestor.batches.batch import Batch, Received
from ingestor.batches.limits import Limits
from ingestor.batches.names import Names
from ingestor.batches.records import Stored, clean
from ingestor.failures import Remedy, remedy_for
from ingestor.metrics import Metrics
from ingestor.worker.context import Context
from ingestor.worker.mappings.judging import MOST_REASON, values_of
from ingestor.worker.mappings.messages import received_of
from ingestor.worker.mappings.store import note_facts
from ingestor.worker.mappings.turn import Rules
from ingestor.writing.writer import FEW_ROWS, MANY_ROWS, Writer, Written
from meters.mappings.apply import map_payload
from meters.mappings.document import Mapping
from meters.mappings.types import Mapped, MeterFacts, Payload
from store.errors import DATABASE_ERRORS
from store.files import JobFile
from store.kinds.importing import ImportArguments
from store.sql import Connection

MOST_FAULTS: Final = 100
"""Faults that are told with their lines; all are counted."""


@dataclass(slots=True)
class Tally:
    """How far an import is, and what it gave: what the next worker goes on with, and the result in the end."""

    at: int = 0
    """Bytes that are done."""
    lines: int = 0
    records: int = 0
    values: int = 0
    new: int = 0
    repeated: int = 0
    quarantined: int = 0
    """Values, too: each is new, repeated, or in quarantine for one of `reasons`."""
    reasons: dict[str, int] = field(default_factory=dict)
    """How many values are in quarantine for what."""
    details: dict[str, str] = field(default_factory=dict)
    """Of each of these reasons what was said of the first."""
    faulty: int = 0
    faults: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, saved: Table[str, object]) -> "Tally":
        """As it was saved."""
        values: dict[str, Any] = {name: saved[name] for name in cls.__slots__ if name in saved}
        return cls(**values)

    def document(self) -> dict[str, object]:
        """What is saved of it; nothing in it changes with the tally."""
        return {name: copy(getattr(self, name)) for name in self.__slots__}

    @property
    def note(self) -> str:
        """It in a few words."""
        said = f"{self.records} records, {self.values} values, {self.faulty} faults"
        return f"{said}, {self.quarantined} values in quarantine" if self.quarantined else said

    @property
    def is_vain(self) -> bool:
        """Whether there was something to store, and history has none of it."""
        return bool(self.values or self.faulty) and not self.new + self.repeated

    def quarantine(self, row: Stored) -> None:
        """Count the values of a row of quarantine."""
        values = values_of(row)
        self.quarantined += values
        self.reasons[row.reason] = self.reasons.get(row.reason, 0) + values
        self.details.setdefault(row.reason, (row.detail or "")[:MOST_REASON])

    def fault(self, text: str) -> None:
        """Note a fault, or count it where many were noted already."""
        self.faulty += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(text)


class Importing:
    """Stores portions of one file as the device that stands for the source would have sent them."""

    def __init__(
        self, context: Context[ImportArguments], mapping: Mapping, file: JobFile, device_id: int, version: int
    ) -> None:
        settings = context.parts.settings
        self._context = context
        self._mapping = mapping
        self._file = file
        self._device_id = device_id
        self._version = version
        self._names = Names(Limits(settings.max_devices, settings.meters_per_source, settings.series_per_meter))
        self._topics = Topics()
        rules = Rules("wattline-worker-import", settings.earliest_at, settings.max_future_s)
        self._assembler = Assembler(rules, self._topics, self._names, Metrics())

    async def take(self, body: bytes, numbers: Sequence[int], before: Tally, after: Tally) -> None:
        """Map a portion and store it; `after` is how far the import is then, and gets what it gave.

        Raises LostJobError, and database errors that time may heal.
        """
        name = f"{self._file.sha256}:{before.at}"
        payload = Payload(body, self._file.created_at, self._file.media, None, name)
        mapped, received = await asyncio.to_thread(self._map, payload)
        after.records += len(numbers)
        after.values += mapped.values
        after.faulty += mapped.faulty - len(mapped.faults)
        for one in mapped.faults:
            line = _line(one.place, numbers)
            after.fault(f"line {line + before.lines + 1}: {one.field}: {one.reason}" if line is not None else str(one))
        await self._store(mapped, received, after)

    def _map(self, payload: Payload) -> tuple[Mapped, list[Received]]:
        mapped = map_payload(self._mapping, payload)
        return mapped, received_of(self._context.arguments.source, self._version, payload, mapped, self._topics)

    async def _store(self, mapped: Mapped, received: Sequence[Received], after: Tally) -> None:
        pieces = False
        while True:
            try:
                return await self._store_once(mapped, received, after, pieces=pieces)
            except (*DATABASE_ERRORS, ValueError, OverflowError) as error:
                self._names.clear()
                remedy = remedy_for(error)
                if remedy is Remedy.PIECES and not pieces:
                    pieces = True
                    continue
                if remedy not in (Remedy.SPLIT, Remedy.STAGE) or not received:
                    raise
                await self._apart(received, after)
                received = ()

    async def _store_once(self, mapped: Mapped, received: Sequence[Received], after: Tally, *, pieces: bool) -> None:
        async with self._context.pool.acquire() as connection:
            # before the transaction, which locks no names while it looks for others
            rest = batch = await self._batch(connection, received)
            writer, written = Writer(self._assembler.conflicting), Written(0, 0)
            if pieces or len(batch.days()) > MOST_DAYS:
                # more chunks than one transaction may make: not with the cursor, but a repeat changes nothing
                written = await writer.write_in_pieces(connection, batch, FEW_ROWS if pieces else MANY_ROWS)
                rest = Batch()
            async with connection.transaction():
                if rest.received:
                    written = await writer.write(connection, rest, staged=True)
                await self._note(connection, mapped)
                done = Tally(**after.document())  # type: ignore[arg-type]
                _count(done, batch, written)
                await self._context.save(connection, done.document(), done.at, self._file.bytes, done.note)
        self._context.parts.metrics.refuse((*batch.stored.values(), *written.refused))
        after.new, after.repeated, after.quarantined = done.new, done.repeated, done.quarantined
        after.reasons, after.details = done.reasons, done.details

    async def _apart(self, received: Sequence[Received], after: Tally) -> None:
        """Store messages by halves, and tell of the one that the database refuses; a repeat changes nothing."""
        try:
            async with self._context.pool.acquire() as connection:
                batch = await self._batch(connection, received)
                async with connection.transaction():
                    written = await Writer(self._assembler.conflicting).write(connection, batch, staged=True)
            _count(after, batch, written)
            self._context.parts.metrics.refuse((*batch.stored.values(), *written.refused))
        except (*DATABASE_ERRORS, ValueError, OverflowError) as error:
            self._names.clear()
            if remedy_for(error) not in (Remedy.SPLIT, Remedy.STAGE):
                raise
            if len(received) == 1:
                after.fault(f"lines up to {after.lines}: the database refuses values: {error}"[:500])
                return
            half = len(received) // 2
            await self._apart(received[:half], after)
            await self._apart(received[half:], after)

    async def _batch(self, connection: Connection, received: Sequence[Received]) -> Batch:
        await self._names.catch_up(connection)
        batch = Batch()
        for one in received:
            self._assembler.add(batch, one)
        wanted = self._assembler.wanted(batch)
        if wanted:
            await self._names.resolve(connection, wanted)
        self._assembler.complete(batch)
        return batch

    async def _note(self, connection: Connection, mapped: Mapped) -> None:
        told = sorted((key, *map(clean, astuple(one))) for key, one in mapped.meters.items() if one != MeterFacts())
        if told:
            await note_facts(connection, self._device_id, *(list(column) for column in zip(*told, strict=True)))


def _count(tally: Tally, batch: Batch, written: Written) -> None:
    tally.new += written.rows
    tally.repeated += written.repeated
    for row in (*batch.stored.values(), *written.refused):
        tally.quarantine(row)


def _line(place: str, numbers: Sequence[int]) -> int | None:
    """The line, from 0, of the record at a place such as `record 7`; of one alone the place says nothing."""
    word, _, number = place.partition(" ")
    if not place and len(numbers) == 1:
        return numbers[0]
    if word == "record" and number.isdecimal() and 1 <= int(number) <= len(numbers):
        return numbers[int(number) - 1]
    return None
