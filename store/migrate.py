"""Forward-only migrations: SQL files in order, each in its own transaction, under a lock, with checksums.

Those named `NNNN_after_...` take away what services of the version before still use: they wait for `--finish`.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple

import asyncpg
import structlog

from broker.backoff import Backoff
from broker.errors import PermanentError
from broker.outage import Outage
from store.dsn import check_dsn, place, user
from store.edition import apply_edition
from store.errors import DATABASE_ERRORS, reason
from store.keepalive import SERVER_SETTINGS, watch_peer
from store.pool import Pool
from store.preflight import check_settings
from store.servers import Servers
from store.sql import Connection, statement

log = structlog.get_logger()

ROLES = ("wattline_ingestor", "wattline_gateway", "wattline_intake", "wattline_outlet", "wattline_grafana")
"""Made without a password: whoever runs the database sets one, or lets them in by certificate or peer."""
POSTGRES_MAJOR = 17
CONNECT_TIMEOUT_S = 15.0
COMMAND_TIMEOUT_S = 600.0
_LOCK = 0x77_61_74_74_6C_69_6E_65
"""Key of the advisory lock: `wattline` in ASCII."""
_FILE_NAME = re.compile(r"\d{4}_[a-z0-9_]+\.sql")


class MigrationError(PermanentError):
    """Why the database can't be brought up to date, and what to do; `migration` names the file, if one is to blame."""

    def __init__(self, message: str, *, migration: str = "") -> None:
        super().__init__(message)
        self.migration = migration


class Applied(NamedTuple):
    """A migration that was applied, with the checksum that it had."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file; `sha256` is of its text and must never change once it is applied anywhere."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Checksum in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def after(self) -> bool:
        """Whether it must wait until every service is of this version."""
        return self.name[5:].startswith("after_")


def shipped() -> tuple[Migration, ...]:
    """The migrations of this version of Wattline, in order."""
    folder = resources.files("store") / "migrations"
    files = sorted((file for file in folder.iterdir() if _FILE_NAME.fullmatch(file.name)), key=lambda file: file.name)
    return tuple(Migration(file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in files)


@statement
async def make_migration_table(connection: Connection) -> None:
    """Have the tables in which migrations and what they found are noted."""


@statement
async def applied_migrations(connection: Connection) -> list[Applied]:
    """All that were ever applied."""


@statement
async def enter_migration(connection: Connection, name: str, sha256: str) -> None:
    """Note a migration as applied."""


@statement
async def record_installation(connection: Connection) -> None:
    """Note the versions and the edition of the server."""


def pending(migrations: tuple[Migration, ...], applied: Mapping[str, str]) -> tuple[Migration, ...]:
    """What is still to be applied, given the checksums of what is.

    Raises MigrationError where the database and the files tell different histories.
    """
    known = {migration.name: migration for migration in migrations}
    for name, sha256 in sorted(applied.items()):
        if name not in known:
            raise MigrationError(
                f"the database holds migration {name}, which this version does not know: install the newer Wattline",
                migration=name,
            )
        if known[name].sha256 != sha256:
            raise MigrationError(
                f"migration {name} was edited after it was applied: restore the file, put the change into a new one",
                migration=name,
            )
    rest = tuple(migration for migration in migrations if migration.name not in applied)
    early = next((migration.name for migration in rest if not migration.after), "")
    if early and applied and early < max(applied):
        raise MigrationError(
            f"migration {early} sorts before {max(applied)}, which is applied: give it a higher number",
            migration=early,
        )
    return rest


def due(rest: tuple[Migration, ...], applied: Mapping[str, str], *, finish: bool) -> tuple[Migration, ...]:
    """What of the pending ones is applied now: in an empty database all, else without those that wait for `finish`."""
    return tuple(migration for migration in rest if finish or not applied or not migration.after)


async def migrate(
    dsn: str,
    migrations: tuple[Migration, ...] | None = None,
    settings: Mapping[str, str] | None = None,
    *,
    finish: bool = False,
) -> list[str]:
    """Bring a database up to date; returns the names of the migrations applied now, none if it already was.

    With `finish` those are applied, too, that services of the version before could not live with.

    `settings` of the store (store.settings) are saved, and those saved before hold where none is given. Safe to run any
    number of times and from several places at once: the second waits for the first. Each file is one
    transaction, so a failed one leaves nothing behind. Raises MigrationError, SettingError before anything is
    changed, or PermanentError for a wrong DSN, with what a person can do about it.
    """
    check_dsn(dsn)
    wanted = shipped() if migrations is None else migrations
    connection = await connect(dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK, timeout=COMMAND_TIMEOUT_S)
        await _require_postgres(connection)
        if migrations is None:
            await check_settings(connection, dict(settings or {}))
        await _ensure_extension(connection)
        await _ensure_roles(connection)
        applied = await _apply(connection, wanted, finish=finish)
        # a part of the migrations makes no store that an edition's features would fit
        return applied if migrations is not None else applied + await apply_edition(connection, dict(settings or {}))
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(
            f"the role {user(dsn)} may not do this ({error}): migrate as a superuser, or as the database's owner "
            "with CREATEROLE"
        ) from error
    except (asyncpg.PostgresConnectionError, OSError, TimeoutError) as error:
        why = reason(error)
        raise MigrationError(f"the connection to {place(dsn)} was lost: {why}") from error
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


async def require_migrated(pool: Pool) -> None:
    """See that the database was migrated for this version; waits for one that is away. Raises PermanentError."""
    newest = next(migration.name for migration in reversed(shipped()) if not migration.after)
    backoff, outage = Backoff(cap_s=10.0), Outage()
    while True:
        try:
            found = await pool.fetchval("SELECT true FROM schema_migration WHERE name = $1", newest)
        except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
            found = False
        except DATABASE_ERRORS as error:
            outage.failed("database_unreachable", reason=reason(error))
            await asyncio.sleep(backoff.next_s())
            continue
        outage.back("database_back")
        if not found:
            raise PermanentError(f"the database lacks migration {newest}: run `wattline migrate` first")
        return


async def waiting(dsn: str) -> list[str]:
    """The migrations that wait until every service is of this version."""
    connection = await connect(dsn)
    try:
        applied = dict(await applied_migrations(connection))
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
    return [migration.name for migration in shipped() if migration.after and migration.name not in applied]


async def connect(dsn: str) -> Connection:
    """One connection for whoever runs the database. Raises MigrationError that says where it was tried."""
    names = {"application_name": "wattline migrate", "client_min_messages": "warning"}
    try:
        connection = await Servers(dsn).connect(
            dsn, timeout=CONNECT_TIMEOUT_S, command_timeout=COMMAND_TIMEOUT_S, server_settings=SERVER_SETTINGS | names
        )
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise MigrationError(f"{place(dsn)} refuses the login of {user(dsn)}: {error}") from error
    except asyncpg.InvalidCatalogNameError as error:
        raise MigrationError(f"{error} at {place(dsn)}: create it first (createdb)") from error
    except (*DATABASE_ERRORS, ValueError) as error:
        why = reason(error)
        raise MigrationError(f"the database at {place(dsn)} can't be reached: {why}") from error
    await watch_peer(connection)
    return connection


async def _require_postgres(connection: Connection) -> None:
    version = connection.get_server_version()
    if version.major < POSTGRES_MAJOR:
        raise MigrationError(
            f"this is PostgreSQL {version.major}.{version.minor}; Wattline needs {POSTGRES_MAJOR} or later"
        )


async def _ensure_extension(connection: Connection) -> None:
    if await connection.fetchval("SELECT true FROM pg_extension WHERE extname = 'timescaledb'"):
        return
    if not await connection.fetchval("SELECT true FROM pg_available_extensions WHERE name = 'timescaledb'"):
        raise MigrationError(
            f"the server has no extension timescaledb: install TimescaleDB for PostgreSQL {POSTGRES_MAJOR}"
        )
    preloaded = await connection.fetchval("SHOW shared_preload_libraries")
    if "timescaledb" not in preloaded:
        raise MigrationError(
            "TimescaleDB is installed but not loaded: put it into shared_preload_libraries and restart the server"
        )
    await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")


async def _ensure_roles(connection: Connection) -> None:
    for role in ROLES:
        if await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
            continue
        try:
            await connection.execute(f"CREATE ROLE {role} LOGIN")
        except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            # roles belong to the whole server: somebody who migrates another of its databases was quicker
            log.debug("role_exists", role=role)


async def _apply(connection: Connection, migrations: tuple[Migration, ...], *, finish: bool) -> list[str]:
    async with connection.transaction():
        await make_migration_table(connection)
    names, known = [], dict(await applied_migrations(connection))
    for migration in due(pending(migrations, known), known, finish=finish):
        try:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await enter_migration(connection, migration.name, migration.sha256)
        except (asyncpg.InsufficientPrivilegeError, asyncpg.PostgresConnectionError):
            raise
        except asyncpg.PostgresError as error:
            raise MigrationError(
                f"migration {migration.name} failed and was undone: {error}", migration=migration.name
            ) from error
        log.info("migration_applied", migration=migration.name)
        names.append(migration.name)
    await record_installation(connection)
    return names
