"""Who does the upkeep and how far it is, sessions that wait or are silent, days of load profiles to be compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pydantic import Json

from store.sql import Connection, Database, statement


@dataclass(frozen=True, slots=True)
class UpkeepState:
    """How far roll-ups and the ledger's summary lag behind, for how long nobody has done them, and what is missing."""

    rollup_behind_s: float
    ledger_behind_s: float
    unheld_s: float
    missing: float


@dataclass(frozen=True, slots=True)
class Block:
    """A session that waits for a lock, and one that holds it."""

    waiting_pid: int
    waiting: str
    waiting_statement: str | None
    waited_s: float
    blocking_pid: int
    blocking: str
    blocking_state: str | None
    blocking_statement: str | None
    blocking_client: str | None
    silent_s: float | None

    def __str__(self) -> str:
        who = f"{self.blocking} (process {self.blocking_pid}, {self.blocking_client or 'local'})"
        since = "" if self.silent_s is None else f" for {self.silent_s:.0f} s"
        return (
            f"{self.waiting} (process {self.waiting_pid}) waits {self.waited_s:.0f} s for a lock of {who}, "
            f"{self.blocking_state or 'gone'} in {self.blocking_statement or 'no statement'}{since}"
        )


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session of our own role that was silent in mid COPY."""

    pid: int
    name: str | None
    client: str | None
    silent_s: float
    ended: bool


@dataclass(frozen=True, slots=True)
class DueCheck:
    """A meter's day (UTC), and when something of it came last."""

    meter_id: int
    day: date
    noted_at: datetime


@dataclass(frozen=True, slots=True)
class IntervalValue:
    """An interval of a load profile by its END: mean power in kW or energy in kWh, by its code."""

    obis: str
    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class RegisterValue:
    """A register's reading."""

    at: datetime
    value: float


@statement
async def hold_lease(database: Database, holder: str, lasts: timedelta) -> bool:
    """Take the lease of the upkeep, renew it, or give it back with no time; False where somebody else has it."""


@statement
async def upkeep_state(database: Database) -> UpkeepState | None:
    """How far the upkeep is, whoever does it."""


@statement
async def blocked_sessions(database: Database) -> list[Block]:
    """Sessions that wait for a lock, those first that have waited for longest."""


@statement
async def end_silent_sessions(database: Database, silent_s: float, blocking: bool) -> list[EndedSession]:
    """End sessions of our own role that have been silent in mid COPY for so long; `blocking`: that others wait for."""


@statement
async def note_caught_up(database: Database, ingestor: str, ago_s: float) -> None:
    """Note when an ingestor last had all that the broker had for it."""


@statement
async def update_last_seen(database: Database, device_ids: Sequence[int], seen_at: Sequence[datetime]) -> None:
    """Note when devices were last heard."""


@statement
async def is_check_due(connection: Connection) -> bool:
    """Whether anything is to be compared."""


@statement
async def due_checks(connection: Connection, after_meter_id: int, most: int) -> list[DueCheck]:
    """What is to be compared, a day of each meter beyond an id: the oldest of which nothing came for ten minutes."""


@statement
async def prune_profile_days(connection: Connection) -> None:
    """Forget the days of readings of memories that are kept no longer."""


@statement
async def drop_checks(connection: Connection, meter_ids: Sequence[int], keep: int) -> None:
    """Forget all days of meters but the newest `keep` of each."""


@statement
async def done_check(connection: Connection, meter_id: int, day: date, noted_at: datetime) -> None:
    """Done with one, unless more of it has come since."""


@statement
async def profile_tolerance_percent(connection: Connection) -> float | None:
    """The setting; 0 compares nothing."""


@statement
async def profile_intervals(
    connection: Connection, meter_id: int, since: datetime, until: datetime
) -> list[IntervalValue]:
    """Intervals of energy and power that ended after `since` and not after `until`, by code and time."""


@statement
async def register_near(
    connection: Connection, meter_id: int, obis: str, at: datetime, near: timedelta
) -> RegisterValue | None:
    """The reading of a register that is nearest to a time."""


@statement
async def tell_deviation(connection: Connection, meter_id: int, day: date, detail: Json[dict[str, object]]) -> None:
    """Enter the event profile_deviates, once by meter and day."""
