"""Who does the upkeep and how far it is, sessions that wait or are silent, and when devices were last heard."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from store.sql import Database, statement


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
