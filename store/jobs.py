"""What the database does by itself, and whether it does: TimescaleDB's scheduled jobs, and the roll-ups."""

from dataclasses import dataclass

from store.sql import Connection, statement


@dataclass(frozen=True, slots=True)
class StoreJob:
    """One that does not work as it should: `state` is failing or late, `error` the last that it ended with, if any."""

    name: str
    state: str
    failures: int
    error: str

    def __str__(self) -> str:
        return f"{self.name} is {self.state}: {self.error or 'its time has passed and nobody has run it'}"


@statement
async def failing_jobs(connection: Connection) -> list[StoreJob]:
    """Those that fail or are late."""
