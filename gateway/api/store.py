"""How far the servers of a database are, by positions of the primary's log."""

from dataclasses import dataclass

from store.sql import Database, statement


@dataclass(frozen=True, slots=True)
class ReplicaPosition:
    """Whether a server is a standby, and how far it has replayed the primary's log, in bytes from its beginning."""

    standby: bool
    position: int | None


@statement
async def primary_position(database: Database) -> int:
    """How far the primary has written its log, in bytes from its beginning."""


@statement
async def replica_position(database: Database) -> ReplicaPosition:
    """How far a server has replayed the primary's log, where it is a standby."""
