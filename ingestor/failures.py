"""What to do about a database error: try again, look for the message to blame, or give up and say why."""

import re
from enum import Enum
from typing import Final

import asyncpg

from broker.errors import PermanentError
from store.errors import is_transient, refuses_data

_SETUP_CLASSES = ("28", "3D", "42")
"""SQLSTATE: authorization, no such database, no such table or right: a person must act."""


_TAKEN: Final = re.compile(r"\(series_id, \"?time\"?\)=\(([0-9]+),")


class Remedy(Enum):
    """How to go on after a failed batch."""

    STAGE = "stage"
    PIECES = "pieces"
    SPLIT = "split"
    RETRY = "retry"


def remedy_for(error: Exception) -> Remedy:
    """The way on after this error. Raises PermanentError where only a person can help; what is unknown is retried."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return Remedy.STAGE
    if isinstance(error, asyncpg.OutOfMemoryError):
        # the lock table is full: the batch spreads over too many chunks
        return Remedy.PIECES
    if refuses_data(error):
        return Remedy.SPLIT
    state = str(error.sqlstate or "") if isinstance(error, asyncpg.PostgresError) else ""
    if state.startswith(_SETUP_CLASSES):
        raise PermanentError(
            f"the database refuses the ingestor's work: {error}; run `wattline migrate`, check the role's rights"
        ) from error
    if isinstance(error, ValueError | OverflowError) and not is_transient(error):
        # asyncpg can't encode some value
        return Remedy.SPLIT
    return Remedy.RETRY


def series_taken(error: Exception) -> int | None:
    """The series of the reading that was in the table already, where that is what this error says."""
    detail = getattr(error, "detail", None) if isinstance(error, asyncpg.UniqueViolationError) else None
    found = _TAKEN.search(detail or "")
    return int(found[1]) if found else None
