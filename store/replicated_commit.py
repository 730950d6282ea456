"""COMMITs that hold at the primary alone: PostgreSQL answers as to any other, and says it only in a warning."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg

from store.sql import Connection, statement

_WAITS: Final = "SyncRepWaitForLSN"
"""The server's function that gives up waiting for a standby: its name is in the warning, in whatever language."""


class UnconfirmedCommitError(asyncpg.InterfaceError):
    """A COMMIT was cancelled while it waited for a synchronous standby: a fail-over could still take it back."""


@contextlib.asynccontextmanager
async def confirmed(connection: Connection) -> AsyncIterator[None]:
    """Raise UnconfirmedCommitError after a block in which a COMMIT was not confirmed by its standby.

    What is written again then must write something to the log, or its own COMMIT waits for nobody: `wait_for_standby`.
    """
    unconfirmed: list[str] = []

    def listen(_: object, message: Any) -> None:
        if message.server_source_function == _WAITS:
            unconfirmed.append(message.message)

    connection.add_log_listener(listen)
    try:
        yield
    finally:
        # the pool takes a connection that is lost back by itself
        with contextlib.suppress(asyncpg.InterfaceError):
            connection.remove_log_listener(listen)
    if unconfirmed:
        raise UnconfirmedCommitError(unconfirmed[0])


@statement
async def emit_log_message(connection: Connection) -> None:
    """Write something to the server's log of changes that changes nothing."""


async def wait_for_standby(connection: Connection) -> None:
    """Have this transaction's COMMIT wait for synchronous standbys even where it changes nothing.

    They confirm positions of the log, so with it they confirm all that was committed before.
    """
    await emit_log_message(connection)
