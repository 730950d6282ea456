"""Errors of the database: all that a statement can end with, and what time heals or data are to blame for."""

from typing import Final

import asyncpg

DATABASE_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What a statement can end with where the database is away or refuses it; a timeout is an OSError, and an internal
error is what asyncpg says of a connection that goes as the statement begins."""
NOT_MIGRATED: Final = "42P01"
"""SQLSTATE undefined_table: `wattline migrate` has not run yet."""
READ_ONLY: Final = "25006"
"""SQLSTATE read_only_sql_transaction: what a standby, or a primary that was demoted, says to whoever writes."""
_TRANSIENT: Final = ("08", READ_ONLY, "25P03", "40", "53", "55P03", "57P")
"""SQLSTATE: connection, a server that is no primary, a transaction that was idle for too long, transaction rollback,
resources, a lock not had in time, operator intervention."""
_DATA: Final = ("21", "22", "23", "54")
"""SQLSTATE: cardinality, data exception, integrity constraint, program limit: some value is to blame."""


def is_transient(error: BaseException) -> bool:
    """Whether the same statement may succeed later: lost connections, deadlocks, locks, a server out of resources."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_TRANSIENT)
    # asyncpg says InterfaceError for a connection that is gone, but also, as ValueError, for wrong arguments
    interface = isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError)
    return interface or isinstance(error, OSError | TimeoutError)


def heals(error: BaseException) -> bool:
    """Whether waiting can help: what is transient, a connection that goes, a database that is still to be migrated."""
    gone = isinstance(error, asyncpg.InternalClientError)
    return gone or is_transient(error) or getattr(error, "sqlstate", "") == NOT_MIGRATED


def refuses_data(error: BaseException) -> bool:
    """Whether the database refuses what it was given, and would refuse it for ever."""
    return isinstance(error, asyncpg.PostgresError) and str(error.sqlstate or "").startswith(_DATA)


def reason(error: BaseException) -> str:
    """What went wrong, for a log line: asyncpg hides a connection's end behind its own state."""
    while isinstance(error, asyncpg.InternalClientError) and error.__context__ is not None:
        error = error.__context__
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
