"""Migrating real databases: once, again, twice at a time, and what is refused."""

import asyncio

import asyncpg
import pytest
from click.testing import CliRunner

from broker.errors import PermanentError
from deploy.local.postgres import PostgresServer
from store.cli import migrate as migrate_command
from store.migrate import Migration, MigrationError, migrate, require_migrated, shipped
from store.pool import open_pool
from tests.rigs.ingesting import table
from tests.rigs.servers import Database

NAMES = [migration.name for migration in shipped()]
FEATURES = ["features of TimescaleDB Apache"]
"""What comes after the migrations, on the edition that Debian has."""
SIZES_OF_BEFORE = """
DELETE FROM installation WHERE name = 'edition_sql';
DROP VIEW store_size;
CREATE VIEW store_size AS
SELECT h.hypertable_name::text AS name, count(c.chunk_name) AS chunks, 0::bigint AS compressed_chunks,
       hypertable_size(format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass) AS bytes,
       NULL::bigint AS bytes_before_compression, NULL::bigint AS bytes_after_compression
FROM timescaledb_information.hypertables h
LEFT JOIN timescaledb_information.chunks c USING (hypertable_schema, hypertable_name)
GROUP BY h.hypertable_schema, h.hypertable_name;
CREATE VIEW of_an_operator AS SELECT name, bytes FROM store_size;
"""
"""The view as it stood right on TimescaleDB's own, whose names have the collation C."""


async def test_migrating_twice_changes_nothing(own_postgres: PostgresServer) -> None:
    """The first run applies every file in order, the second none; edition and versions are on record."""
    dsn = own_postgres.dsn("wattline")
    assert await migrate(dsn) == NAMES + FEATURES
    assert await migrate(dsn) == []
    async with table(Database(own_postgres, "wattline")) as asked:
        facts = dict(await asked.rows("SELECT name, value FROM installation"))
        assert facts["timescaledb_edition"] in ("apache", "timescale")
        assert facts["postgresql_version"].startswith("17.")
        hypertables = "SELECT hypertable_name::text FROM timescaledb_information.hypertables ORDER BY 1"
        assert set(await asked.rows(hypertables)) >= {("event",), ("frame",), ("message",), ("reading",)}


async def test_a_view_of_before_is_replaced(each_edition: Database) -> None:
    """A database whose sizes were a view of TimescaleDB's own is migrated, with what an operator has built on it."""
    async with table(each_edition) as asked:
        await asked.execute(SIZES_OF_BEFORE)
    assert (await migrate(each_edition.dsn()))[0].startswith("features of TimescaleDB")
    async with table(each_edition) as asked:
        assert ("reading",) in await asked.rows("SELECT name FROM of_an_operator WHERE bytes >= 0")


async def test_functions_and_views_are_made_anew_once_their_files_changed(each_edition: Database) -> None:
    """What a database has of another version's functions is replaced, without a migration for it."""
    async with table(each_edition) as asked:
        await asked.execute(
            "UPDATE installation SET value = 'of another version' WHERE name = 'edition_sql';"
            "CREATE OR REPLACE FUNCTION store_keep(what text) RETURNS interval LANGUAGE sql STABLE"
            " AS 'SELECT NULL::interval'"
        )
    assert (await migrate(each_edition.dsn()))[0].startswith("features of TimescaleDB")
    async with table(each_edition) as asked:
        assert await asked.value("SELECT store_keep('frames') IS NOT NULL")


async def test_what_older_services_need_is_taken_away_at_the_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`migrate` leaves it and says so; services start meanwhile; `migrate --finish` takes it away."""
    more = (
        Migration("9001_new", "CREATE TABLE fresh ();"),
        Migration("9002_after_new", "CREATE TABLE instead_of_it ();"),
    )
    everything = (*shipped(), *more)
    monkeypatch.setattr("store.migrate.shipped", lambda: everything)

    async def run(*words: str) -> list[str]:
        done = await asyncio.to_thread(CliRunner().invoke, migrate_command, ["--dsn", database.dsn(), *words])
        assert done.exit_code == 0, done.output
        return [line for line in done.output.splitlines() if "900" in line and "migration_applied" not in line]

    first = await run()
    assert first == [
        "applied 9001_new",
        "note: 9002_after_new waits until every service is of this version: then `wattline migrate --finish`",
    ]
    async with open_pool(database.dsn(), min_size=1, max_size=1, application_name="test") as pool:
        await require_migrated(pool)
    assert await run("--finish") == ["applied 9002_after_new"]
    assert await run() == []


async def test_two_at_once_both_succeed(own_postgres: PostgresServer) -> None:
    """Started together on one database one waits for the other; on two databases they share the roles."""
    await own_postgres.create_database("second")
    first, second = own_postgres.dsn("wattline"), own_postgres.dsn("second")
    results = await asyncio.gather(migrate(first), migrate(first), migrate(second), migrate(second))
    assert sorted(results) == [[], [], NAMES + FEATURES, NAMES + FEATURES]


async def test_an_edited_file_is_refused(database: Database) -> None:
    """A file that was changed after it was applied stops everything, by name."""
    edited = (*shipped()[:-1], Migration(NAMES[-1], shipped()[-1].sql + "-- more"))
    with pytest.raises(MigrationError, match=f"{NAMES[-1]} was edited") as caught:
        await migrate(database.dsn(), edited)
    assert caught.value.migration == NAMES[-1]


async def test_a_failed_file_leaves_nothing(database: Database) -> None:
    """What a failing file did before its error is undone, and the files before it stay."""
    good = Migration("9001_good", "CREATE TABLE good ();")
    bad = Migration("9002_bad", "CREATE TABLE half (); SELECT create_hypertable('half', by_range('nothing'));")
    with pytest.raises(MigrationError, match="9002_bad failed and was undone"):
        await migrate(database.dsn(), (*shipped(), good, bad))
    async with table(database) as asked:
        assert await asked.value("SELECT to_regclass('good') IS NOT NULL AND to_regclass('half') IS NULL")
        assert await asked.value("SELECT max(name) FROM schema_migration") == "9001_good"


async def test_a_newer_database_is_refused(database: Database) -> None:
    """An older program does not touch a database of a newer one."""
    with pytest.raises(MigrationError, match="install the newer Wattline"):
        await migrate(database.dsn(), shipped()[:-1])


async def test_a_role_without_rights_is_told(own_postgres: PostgresServer) -> None:
    """Who may not create extension or roles learns so, and as whom to come back."""
    connection = await asyncpg.connect(own_postgres.dsn("postgres"))
    await connection.execute("CREATE ROLE nobody LOGIN")
    await connection.close()
    with pytest.raises(MigrationError, match="the role nobody may not do this"):
        await migrate(own_postgres.dsn("wattline", "nobody"))


async def test_command_line(own_postgres: PostgresServer) -> None:
    """`wattline migrate` prints what it applied, then that there is nothing to do; without a server it says so."""
    runner, dsn = CliRunner(), own_postgres.dsn("wattline")
    first = await asyncio.to_thread(runner.invoke, migrate_command, ["--dsn", dsn])
    assert first.exit_code == 0
    assert [line for line in first.output.splitlines() if line.startswith("applied ")] == [
        f"applied {n}" for n in NAMES + FEATURES
    ]
    again = await asyncio.to_thread(runner.invoke, migrate_command, [], env={"WATTLINE_STORE_DSN": dsn})
    assert "nothing to do" in again.output
    missing = await asyncio.to_thread(runner.invoke, migrate_command, ["--dsn", own_postgres.dsn("nowhere")])
    assert missing.exit_code == 1
    assert "createdb" in str(missing.exception) + missing.output
    await own_postgres.stop()
    down = await asyncio.to_thread(runner.invoke, migrate_command, ["--dsn", dsn])
    assert down.exit_code == 1
    assert "can't be reached" in str(down.exception) + down.output


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--zone", "Warsaw"], "--zone (WATTLINE_STORE_ZONE): 'Warsaw' is no time zone; did you mean Europe/Warsaw?"),
        (["--tablespaces", "a,a"], "--tablespaces (WATTLINE_STORE_TABLESPACES): a is named twice"),
        (["--tablespaces", "a"], "--tablespaces (WATTLINE_STORE_TABLESPACES): the server has no tablespace a"),
        (["--keep-rollup-15m", "9d"], "--keep-rollup-15m (WATTLINE_STORE_KEEP_ROLLUP_15M): 9d is less"),
        (["--keep-readings", "8d", "--compress-after", "9d"], "--compress-after (WATTLINE_STORE_COMPRESS_AFTER): 9d"),
    ],
)
async def test_settings_are_looked_at_before_anything_is_applied(
    own_postgres: PostgresServer, given: list[str], words: str
) -> None:
    """A setting that can't hold leaves an empty database empty, and a migrated one as it was."""
    dsn = own_postgres.dsn("wattline")
    refused = await asyncio.to_thread(CliRunner().invoke, migrate_command, ["--dsn", dsn, *given])
    assert refused.exit_code == 1
    assert words in refused.output
    async with table(Database(own_postgres, "wattline")) as asked:
        assert await asked.value(
            "SELECT to_regclass('schema_migration') IS NULL AND to_regrole('wattline_gateway') IS NULL"
        )


async def test_which_roles_nobody_can_log_in_as(own_postgres: PostgresServer) -> None:
    """`wattline migrate` ends with the roles that lack a password or a login, and the command, until they have it."""
    arguments = ["--dsn", own_postgres.dsn("wattline")]

    async def notes() -> list[str]:
        run = await asyncio.to_thread(CliRunner().invoke, migrate_command, arguments)
        assert run.exit_code == 0, run.output
        return [line for line in run.output.splitlines() if line.startswith("note: ")]

    first = await notes()
    assert [line.split()[1] for line in first] == [
        "wattline_gateway",
        "wattline_grafana",
        "wattline_ingestor",
        "wattline_intake",
        "wattline_outlet",
    ]
    assert all(f"ALTER ROLE {line.split()[1]} PASSWORD '...'" in line for line in first)
    async with table(Database(own_postgres, "wattline")) as asked:
        await asked.execute("ALTER ROLE wattline_gateway PASSWORD 'one'; ALTER ROLE wattline_ingestor NOLOGIN")
        await asked.execute("ALTER ROLE wattline_grafana PASSWORD 'two' VALID UNTIL '2020-01-01'")
        await asked.execute("ALTER ROLE wattline_intake PASSWORD 'three'; ALTER ROLE wattline_outlet PASSWORD 'four'")
    second = await notes()
    assert len(second) == 2
    assert "the password of wattline_grafana has expired: ALTER ROLE wattline_grafana VALID UNTIL" in second[0]
    assert "wattline_ingestor may not log in: ALTER ROLE wattline_ingestor LOGIN" in second[1]


async def test_a_refusal_names_where_it_was_tried(database: Database) -> None:
    """Host, port, database and role are in it, for each service that opens a pool and `migrate`; never the password."""
    dsn = database.dsn("nobody_at_all").replace("nobody_at_all@", "nobody_at_all:secret@")
    tried = f"127.0.0.1:{database.server.port}/{database.name}"
    with pytest.raises(PermanentError, match=f"the database at {tried} refuses test as nobody_at_all") as refused:
        async with open_pool(dsn, min_size=1, max_size=1, application_name="test"):
            pass
    with pytest.raises(PermanentError, match=f"{tried} refuses the login of nobody_at_all") as again:
        await migrate(dsn)
    assert "secret" not in str(refused.value) + str(again.value)


async def test_no_preloaded_timescaledb(own_postgres: PostgresServer) -> None:
    """A server that does not load TimescaleDB is named as the reason."""
    connection = await asyncpg.connect(own_postgres.dsn("postgres"))
    await connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'auto_explain'")
    await connection.close()
    await own_postgres.restart()
    with pytest.raises(PermanentError, match="shared_preload_libraries"):
        await migrate(own_postgres.dsn("wattline"))
