"""What to do about a database error: try again, look for the message to blame, or give up and say why."""

from enum import Enum

import asyncpg

from broker.errors import PermanentError
from store.pool import is_transient

_DATA_CLASSES = ("21", "22", "23", "54")
"""SQLSTATE: cardinality, data exception, integrity constraint, program limit: some value is to blame."""
_SETUP_CLASSES = ("28", "3D", "42")
"""SQLSTATE: authorization, no such database, no such table or right: a person must act."""


DATABASE_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises where the database fails; the third where a connection goes as a statement begins."""


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
    state = str(error.sqlstate or "") if isinstance(error, asyncpg.PostgresError) else ""
    if state.startswith(_DATA_CLASSES):
        return Remedy.SPLIT
    if state.startswith(_SETUP_CLASSES):
        raise PermanentError(
            f"the database refuses the ingestor's work: {error}; run `wattline migrate`, check the role's rights"
        ) from error
    if isinstance(error, ValueError | OverflowError) and not is_transient(error):
        # asyncpg can't encode some value
        return Remedy.SPLIT
    return Remedy.RETRY
