"""The connection pool that services share."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import asyncpg
import structlog

from broker.backoff import Backoff
from broker.errors import PermanentError
from broker.outage import Outage
from store.dsn import check_dsn, place, user
from store.errors import DATABASE_ERRORS, is_transient, reason
from store.keepalive import SERVER_SETTINGS, watch_peer
from store.servers import HOPELESS, Servers, Wanted, service_pool

log = structlog.get_logger()

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 60.0
LOCK_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 15.0
"""A transaction whose client asks for nothing for so long is ended, with its locks: none of ours thinks that long."""
_GIVEN_UP = "unexpected connection_lost() call"


@contextlib.asynccontextmanager
async def open_pool(
    dsn: str,
    *,
    min_size: int,
    max_size: int,
    application_name: str,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
    idle_timeout_s: float = IDLE_TIMEOUT_S,
    wanted: Wanted = "read-write",
    clean: bool = False,
) -> AsyncIterator[Pool]:
    """A pool that is connected; waits for the database with backoff for as long as it takes.

    A DSN may name several servers: `wanted` says which of them will do (store.servers); each connection looks anew.
    Statements end after 60 s, and those that wait for somebody's lock after `lock_timeout_s`; a transaction between two
    of them after `idle_timeout_s`. Sessions speak UTC, jsonb travels as text. The pool replaces lost connections by
    itself, silent ones too (store.keepalive); each use may raise an error of which `is_transient` holds. Raises
    PermanentError for a wrong DSN, login or database.

    Where it is `clean`, no user leaves anything in a session: locks are a transaction's, settings are LOCAL, listeners
    are taken back, and nothing is TEMPORARY. Then a use costs no second round trip that has the session forget.
    """
    check_dsn(dsn)
    _take_what_asyncpg_leaves(asyncio.get_running_loop())
    # it warns of each connection that it can't keep ready in an outage; whoever wants one says so
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    backoff, outage, where = Backoff(cap_s=10.0), Outage(), place(dsn)
    refusal = f"the database at {where} refuses {application_name} as {user(dsn)}"
    while True:
        try:
            limits = lock_timeout_s, idle_timeout_s
            pool = await _connect(dsn, Servers(dsn, wanted), min_size, max_size, application_name, limits, clean)
            break
        except HOPELESS as error:
            raise PermanentError(f"{refusal}: {error}") from error
        except DATABASE_ERRORS as error:
            if isinstance(error, asyncpg.PostgresError) and not is_transient(error):
                raise PermanentError(f"{refusal}: {error}") from error
            outage.failed("database_unreachable", database=where, reason=reason(error))
        except ValueError as error:
            raise PermanentError(f"the DSN of {where} is of no use to {application_name}: {error}") from error
        await asyncio.sleep(backoff.next_s())
    log.info("database_connected", application_name=application_name, database=where, **outage.over())
    try:
        yield pool
    finally:
        await _close(pool)


def _take_what_asyncpg_leaves(loop: asyncio.AbstractEventLoop) -> None:
    """Take the error of a connection that was given up while it asked for TLS: asyncpg leaves it in a future.

    The loop would call it one that was never retrieved, at a stop or after another task's failure.
    """
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, ConnectionError) and str(error) == _GIVEN_UP and "future" in context:
            log.debug("connecting_given_up", reason=str(error))
        elif before is not None:
            before(loop, context)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)


async def _connect(
    dsn: str,
    servers: Servers,
    min_size: int,
    max_size: int,
    application_name: str,
    limits: tuple[float, float],
    clean: bool,
) -> Pool:
    lock_timeout_s, idle_timeout_s = limits
    return await service_pool(
        dsn,
        servers,
        clean=clean,
        min_size=min_size,
        max_size=max_size,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        init=watch_peer,
        server_settings=SERVER_SETTINGS
        | {
            "application_name": application_name,
            "timezone": "UTC",
            "client_min_messages": "warning",
            "statement_timeout": f"{COMMAND_TIMEOUT_S:.0f}s",
            "idle_in_transaction_session_timeout": f"{idle_timeout_s * 1000:.0f}",
            "lock_timeout": f"{lock_timeout_s * 1000:.0f}",
            # short statements over many chunks: compiling them costs more than it saves
            "jit": "off",
        },
    )


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await pool.close()
    except DATABASE_ERRORS:
        pool.terminate()
