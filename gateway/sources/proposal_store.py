"""Proposals of sources, as the bridge leaves them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from pydantic import Json

from store.sql import Connection, Database, statement

ProposalState: TypeAlias = Literal["open", "accepted", "refused"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A source that the bridge proposes; `source` is the one that was made of it."""

    id: int
    broker: str
    origin: str
    name: str
    topics: Sequence[str]
    document: str
    detail: Json[Mapping[str, Any]]
    state: ProposalState
    source: str | None
    decided_by: str | None
    decided_at: datetime | None
    first_at: datetime
    last_at: datetime


@statement
async def list_proposals(database: Database, state: str | None, number: int | None, most: int) -> list[Proposal]:
    """Proposals in a state, or the one of a number, the newest first."""


@statement
async def held_proposal(connection: Connection, number: int) -> Proposal | None:
    """Hold a proposal for this transaction; None where there is none."""


@statement
async def decide_proposal(connection: Connection, number: int, state: str, source: str | None, author: str) -> None:
    """Note what was decided, and by whom."""
