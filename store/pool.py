"""The connection pool that services share, and which database errors time can heal."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any, TypeAlias
from urllib.parse import SplitResult, parse_qs, urlsplit

import asyncpg
import structlog

from broker.backoff import Backoff
from broker.errors import PermanentError
from broker.outage import Outage

log = structlog.get_logger()

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 60.0
_GIVEN_UP = "unexpected connection_lost() call"
_FORM = "postgresql://user:password@host:port/name"
_TRANSIENT_CLASSES = ("08", "40", "53", "57P")
"""SQLSTATE: connection, transaction rollback, resources, operator intervention."""
_HOPELESS = (
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)


def is_transient(error: BaseException) -> bool:
    """Whether the same statement may succeed later: lost connections, deadlocks, a server that is out of resources."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_TRANSIENT_CLASSES)
    # asyncpg says InterfaceError for a connection that is gone, but also, as ValueError, for wrong arguments
    interface = isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError)
    return interface or isinstance(error, OSError | TimeoutError)


def check_dsn(dsn: str) -> None:
    """See that an address can be one of a database: scheme, ports, and that it names the database.

    Hosts may be several, with commas, and parts may stand behind `?`, as libpq has it. Raises PermanentError that says
    what is wrong and never quotes what may be a part of the password.
    """
    try:
        parts = urlsplit(dsn)
    except ValueError as error:
        raise _no_dsn(f"is no address ({error})", "put an IPv6 address into [ ]") from error
    if parts.scheme not in ("postgresql", "postgres") or not dsn.startswith(f"{parts.scheme}://"):
        raise _no_dsn("does not start with postgresql:// or postgres://", "write the whole address")
    if "@" in parts.path + parts.query + parts.fragment and "@" not in parts.netloc:
        raise _no_dsn("has a / ? or # before its @", "write these in the password as %2F, %3F and %23")
    query = parse_qs(parts.query)
    for port in (*_ports(parts), *",".join(query.get("port", ())).split(",")):
        if port and not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
            raise _no_dsn(f"has the port {port[:20]}", "give one from 1 to 65535")
    if not parts.path.strip("/") and not query.get("dbname") and not query.get("database"):
        raise _no_dsn("names no database", "append /name")


def _ports(parts: SplitResult) -> list[str]:
    """What stands behind the colon of each host."""
    hosts = parts.netloc.rpartition("@")[2].split(",")
    return [host.rpartition("]")[2].partition(":")[2] for host in hosts]


def _no_dsn(fault: str, fix: str) -> PermanentError:
    return PermanentError(f"the database's DSN {fault}: {fix}, as in {_FORM}")


@contextlib.asynccontextmanager
async def open_pool(dsn: str, *, min_size: int, max_size: int, application_name: str) -> AsyncIterator[Pool]:
    """A pool that is connected; waits for the database with backoff for as long as it takes.

    Statements end after 60 s, sessions speak UTC, jsonb travels as text. The pool replaces lost connections by itself;
    each use may raise an error of which `is_transient` holds. Raises PermanentError for a wrong DSN, login or database.
    """
    check_dsn(dsn)
    _take_what_asyncpg_leaves(asyncio.get_running_loop())
    # it warns of each connection that it can't keep ready in an outage; whoever wants one says so
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    backoff, outage = Backoff(cap_s=10.0), Outage()
    while True:
        try:
            pool = await _connect(dsn, min_size, max_size, application_name)
            break
        except _HOPELESS as error:
            raise PermanentError(f"the database refuses {application_name}: {error}") from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            if isinstance(error, asyncpg.PostgresError) and not is_transient(error):
                raise PermanentError(f"the database refuses {application_name}: {error}") from error
            outage.failed("database_unreachable", reason=str(error) or "no answer in time")
        except ValueError as error:
            raise PermanentError(f"the database's DSN is of no use to {application_name}: {error}") from error
        await asyncio.sleep(backoff.next_s())
    log.info("database_connected", application_name=application_name, **outage.over())
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


async def _connect(dsn: str, min_size: int, max_size: int, application_name: str) -> Pool:
    return await asyncpg.create_pool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        server_settings={
            "application_name": application_name,
            "timezone": "UTC",
            "client_min_messages": "warning",
            "statement_timeout": f"{COMMAND_TIMEOUT_S:.0f}s",
            "idle_in_transaction_session_timeout": f"{COMMAND_TIMEOUT_S:.0f}s",
            # short statements over many chunks: compiling them costs more than it saves
            "jit": "off",
        },
    )


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await pool.close()
    except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        pool.terminate()
