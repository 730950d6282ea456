"""What a batch is written with beside COPY: what it carries beside readings, and staging."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from store.sql import Affected, Connection, Database, statement


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk's table, and the times that it takes, `until_us` not among them, as rows.micros counts."""

    schema: str
    name: str
    from_us: int
    until_us: int


@statement
async def add_batches(
    connection: Connection, at: Sequence[datetime], commit_s: Sequence[float], messages: Sequence[int],
    rows: Sequence[int], ingestor: str,
) -> None:  # fmt: skip
    """Enter what batches took to write, each once."""


@statement
async def idle_for(database: Database) -> float | None:
    """For how many seconds no batch has been committed, None where none ever was."""


@statement
async def add_boot_ends(
    connection: Connection, device_ids: Sequence[int], boots: Sequence[str], seqs: Sequence[int],
    told_at: Sequence[datetime],
) -> None:  # fmt: skip
    """Enter the last numbers of boots that have ended."""


@statement
async def add_frames(
    connection: Connection, received_at: Sequence[datetime], device_ids: Sequence[int | None],
    meter_ids: Sequence[int | None], topics: Sequence[str], kinds: Sequence[str], reasons: Sequence[str],
    details: Sequence[str | None], ports: Sequence[str | None], protocols: Sequence[str | None],
    at: Sequence[datetime | None], hints: Sequence[str], data: Sequence[bytes], deliveries: Sequence[UUID],
    doubtful: Sequence[bool],
) -> None:  # fmt: skip
    """Enter frames and payloads; the doubtful ones, which may be in already, once."""


@statement
async def note_profile_days(
    connection: Connection, meter_ids: Sequence[int], days: Sequence[date], noted_at: Sequence[datetime]
) -> None:
    """Note days of which intervals of energy of meters' memories came, to be compared."""


@statement
async def note_remembered_days(connection: Connection, meter_ids: Sequence[int], days: Sequence[date]) -> None:
    """Note days that have readings of meters' memories."""


@statement
async def add_events(
    connection: Connection, received_at: Sequence[datetime], at: Sequence[datetime], device_ids: Sequence[int],
    meter_ids: Sequence[int | None], events: Sequence[str], severities: Sequence[str], boots: Sequence[str],
    seqs: Sequence[int], details: Sequence[str],
) -> None:  # fmt: skip
    """Enter events of devices, each once."""


@statement
async def update_statuses(
    connection: Connection, ids: Sequence[int], online: Sequence[bool], status_at: Sequence[datetime],
    boots: Sequence[str], software: Sequence[str], outbox_at: Sequence[datetime | None],
    waiting: Sequence[int | None], waiting_for_s: Sequence[float | None], unconfirmed: Sequence[int | None],
    unconfirmed_for_s: Sequence[float | None],
) -> None:  # fmt: skip
    """Note the state that devices are in."""


@statement
async def outlets_listen(connection: Connection) -> bool:
    """Whether an output wants to know of what is stored."""


@statement
async def add_spans(connection: Connection, rows: list[tuple[datetime, datetime, list[int]]]) -> None:
    """Note that readings of series between two times are stored by this transaction."""


@statement
async def live_chunk(connection: Connection) -> Chunk | None:
    """The chunk of the present, where it takes all series and late readings are noted by a trigger."""


@statement
async def number_transaction(connection: Connection) -> str:
    """Give the transaction its number, which it else has from its first change on."""


@statement
async def late_mark(connection: Connection) -> int:
    """The time before which readings are late, as rows.micros counts."""


@statement
async def make_incoming_reading(connection: Connection) -> None:
    """Have the session's table in which readings are staged."""


@statement
async def make_incoming_message(connection: Connection) -> None:
    """Have the session's table in which rows of the ledger are staged."""


@statement
async def take_staged_readings(connection: Connection) -> Affected:
    """Enter those staged readings that are not in the table."""


@statement
async def take_staged_messages(connection: Connection, since: datetime, until: datetime) -> None:
    """Enter those staged rows of the ledger, received between these times, that are not in it."""
