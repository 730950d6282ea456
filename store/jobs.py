"""What the database does by itself, and whether it does: TimescaleDB's scheduled jobs, and the roll-ups."""

from dataclasses import dataclass

from store.rollups import Connection


@dataclass(frozen=True, slots=True)
class StoreJob:
    """One that does not work as it should: `state` is failing or late, `error` the last that it ended with, if any."""

    name: str
    state: str
    failures: int
    error: str

    def __str__(self) -> str:
        return f"{self.name} is {self.state}: {self.error or 'its time has passed and nobody has run it'}"


async def failing_jobs(connection: Connection) -> list[StoreJob]:
    """Those that fail or are late."""
    rows = await connection.fetch(
        "SELECT name, state, failures, error FROM store_job WHERE state IN ('failing', 'late') ORDER BY name"
    )
    return [StoreJob(row["name"], row["state"], row["failures"], row["error"] or "") for row in rows]
