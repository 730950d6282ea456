"""Connecting where a database has several servers: to its primary wherever that is by now, or to a replica."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, cast

import asyncpg

from store.dsn import host_ports, session_attrs
from store.errors import DATABASE_ERRORS, READ_ONLY
from store.sql import Connection

Wanted: TypeAlias = Literal["read-write", "prefer-standby"]
HOST_TIMEOUT_S: Final = 4.0
"""For each of several servers: one whose host is off the network answers nothing, and the next one is to be tried."""
HOPELESS: Final = (
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)
"""What waiting does not heal: a wrong login, database or setting."""


class NoServerError(ConnectionError):
    """None of a DSN's servers does for now; says of each why. Time may heal it, as with any lost connection."""


class Servers:
    """The servers of one DSN; `connect` is what a pool calls for each new connection.

    They are tried in their order, beginning with the one that did last. `target_session_attrs` in the DSN says what is
    wanted, else `wanted` does: a writer waits for a primary, a reader takes a standby where one is there.
    """

    def __init__(self, dsn: str, wanted: Wanted = "read-write") -> None:
        self._hosts = host_ports(dsn)
        self._wanted = session_attrs(dsn) or wanted
        self._first = 0

    async def connect(self, dsn: str, *, timeout: float, **options: Any) -> Connection:
        """Connect to the first server that does. Raises NoServerError, or what makes all of them hopeless."""
        if self._wanted == "prefer-standby":
            try:
                return await self._one_of(dsn, "standby", timeout, options)
            except NoServerError:
                return await self._one_of(dsn, "any", timeout, options)
        return await self._one_of(dsn, self._wanted, timeout, options)

    async def _one_of(self, dsn: str, wanted: str, timeout_s: float, options: dict[str, Any]) -> Connection:
        hosts, faults = self._hosts, list[tuple[str, Exception]]()
        options |= {"target_session_attrs": wanted}
        each_s = timeout_s if len(hosts) < 2 else min(timeout_s, HOST_TIMEOUT_S)
        for turn in range(len(hosts)):
            number = (self._first + turn) % len(hosts)
            host, port = hosts[number]
            place: dict[str, Any] = {"host": host, "port": port} if host else {}
            try:
                found: Connection = await asyncpg.connect(dsn, timeout=each_s, **place, **options)
            except DATABASE_ERRORS as error:
                faults.append((f"{host}:{port}" if host else "the server", error))
                continue
            self._first = number
            return found
        if all(isinstance(error, HOPELESS) for _, error in faults):
            raise faults[0][1]
        if len(faults) == 1 and not _unwanted(faults[0][1]):
            raise faults[0][1]
        told = ", ".join(f"{where} {_why(error, wanted)}" for where, error in faults)
        raise NoServerError(f"no {_NAMES.get(wanted, wanted)} server: {told}") from faults[-1][1]


_NAMES = {"any": "answering", "read-write": "writable", "primary": "primary", "standby": "standby"}


def _unwanted(error: Exception) -> bool:
    return isinstance(error, asyncpg.exceptions.TargetServerAttributeNotMatched)


def _why(error: Exception, wanted: str) -> str:
    if _unwanted(error):
        return "is a primary" if wanted in ("standby", "read-only") else "is a standby or read-only"
    return str(error) or "does not answer"


def is_read_only(error: object) -> bool:
    """Whether a server refused to write because it is no primary, or no longer one."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate == READ_ONLY


class ServicePool(asyncpg.Pool):  # not generic at run time
    """A pool that throws away a connection whose server has become read-only, so that the next one finds the primary.

    A server that is demoted ends its connections, as a rule; behind a proxy or by a setting it can also stay.
    """

    def acquire(self, *, timeout: float | None = None) -> Any:
        """Hold a connection; use it with `async with`."""
        return _Hold(self, timeout)


class _Hold(asyncpg.pool.PoolAcquireContext):
    async def __aexit__(self, *error: object) -> None:
        connection = self.connection
        if connection is not None and is_read_only(error[1]) and not _meant(connection):
            connection.terminate()
        await super().__aexit__(*error)


def _meant(connection: Any) -> bool:
    """Whether it is a reader's, which is to stay where it is."""
    return bool(getattr(connection.get_settings(), "application_name", "").endswith(READER))


READER: Final = "-reads"
"""How the application names of pools end that only read."""


class ServiceConnection(asyncpg.Connection):  # not generic at run time
    """One that asks once in a process, not once in each connection, what the arrays of PostgreSQL's own types are.

    The question is a recursive one over the catalogue, and costs the server more than a connection does without it.
    """

    # asyncpg's own, called for types that it does not know: tests/integration/test_pool.py tells when it is gone
    async def _introspect_types(self, typeoids: Collection[int], timeout: float) -> tuple[list[asyncpg.Record], Any]:
        if _BUILT_IN.keys() >= set(typeoids):
            return [row for oid in typeoids for row in _BUILT_IN[oid]], _NOTHING_ASKED
        rows, statement = await super()._introspect_types(typeoids, timeout)  # type: ignore[misc]  # not in its stubs
        _BUILT_IN.update(built_in_arrays(rows))
        return rows, statement


class _NothingAsked:
    """In place of the statement of a question: it has one's name, so that asyncpg takes its own to stand as it was."""

    name: Final = "none"


_NOTHING_ASKED: Final = _NothingAsked()
_BUILT_IN: Final = dict[int, tuple[asyncpg.Record, ...]]()
_FIRST_OF_ITS_OWN: Final = 10_000
"""PostgreSQL's own types have smaller numbers, the same in each database and version (its access/transam.h)."""


def built_in_arrays(rows: Iterable[Mapping[str, Any]]) -> dict[int, tuple[Any, ...]]:
    """By number what asyncpg learns of an array of a built-in type: the element first, then the array. Pure."""
    by_oid = {row["oid"]: row for row in rows if row["kind"] == b"b" and row["oid"] < _FIRST_OF_ITS_OWN}
    return {oid: (by_oid[row["elemtype"]], row) for oid, row in by_oid.items() if row["elemtype"] in by_oid}


class CleanConnection(ServiceConnection):
    """One whose users leave nothing in its session, see `open_pool`: it need not be told to forget after each use."""

    def get_reset_query(self) -> str:
        """Nothing; a transaction that was left open is rolled back all the same."""
        return ""


def service_pool(dsn: str, servers: Servers, *, clean: bool, **options: Any) -> ServicePool:
    """A pool of these servers' connections, not yet connected: await it, or enter it."""
    return ServicePool(
        dsn,
        connect=cast("Any", servers.connect),
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        loop=asyncio.get_running_loop(),
        connection_class=CleanConnection if clean else ServiceConnection,
        record_class=asyncpg.Record,
        **options,
    )
