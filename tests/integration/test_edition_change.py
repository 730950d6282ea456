"""From TimescaleDB Apache to Community: no roll-up is lost, in whatever order the levels are refreshed."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from itertools import permutations
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.community import CommunityServer, provide_community
from deploy.local.settings import LocalSettings
from deploy.local.stack import LocalStack
from store.edition import rendered
from store.jobs import failing_jobs
from store.migrate import migrate, shipped
from store.rollups import STEPS, refresh, refresh_aggregates, retain
from store.settings import merged
from tests.rigs.rollups import METERS, Store, store_of
from tests.rigs.servers import Database

ZONE = "Europe/Warsaw"
SETTINGS = {"zone": ZONE, "keep_readings": "30d"}
LEVELS = ("agg_15m", "agg_1h", "agg_1d_europe_warsaw", "agg_1mo_europe_warsaw")
FILL = (
    "INSERT INTO reading SELECT t, s * 1000 + extract(epoch FROM t - now()) / 3600, s, 0 FROM generate_series("
    "date_trunc('hour', now()) - interval '60 days', now() - interval '5 min', '10 min') t, generate_series(1, 3) s"
)
LATE = "INSERT INTO reading SELECT date_trunc('hour', now() - interval '{age}') + interval '7 min', 1e6, 1, 0"
REACHED = "SELECT count(*) FROM rollup_{step} WHERE max_value = 1e6"
KEPT_AGAIN = "DROP TABLE store_kept; DROP FUNCTION kept_since, store_drop;" + next(
    migration.sql for migration in shipped() if migration.name.endswith("_kept_since")
)
"""As the migration finds a database that retention has run in before."""

Rows = dict[str, list[tuple[object, ...]]]


@contextlib.asynccontextmanager
async def _server(stack: LocalStack, snapshot: Path | None) -> AsyncIterator[CommunityServer]:
    packages = await asyncio.to_thread(provide_community, LocalSettings(), print)
    server = CommunityServer(packages, stack.folder / f"community-{secrets.token_hex(4)}", snapshot)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def as_apache(store: Store) -> None:
    """Make of a database of Community one that Apache has filled for 60 days, keeping readings for 30."""
    for sql in rendered("apache", merged({}, SETTINGS)).values():
        await store.execute(sql)
    for view in reversed(LEVELS):
        await store.execute(f"DROP MATERIALIZED VIEW {view}")
    await store.execute(METERS)
    await store.execute(FILL)
    await refresh(store.connection)
    assert (await retain(store.connection))["reading"] >= 29
    await store.execute(KEPT_AGAIN)
    await store.execute("DELETE FROM installation WHERE name = 'edition_sql'")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def upgraded(stack: LocalStack, community_snapshot: Path) -> tuple[Path, Rows]:
    """A database after the upgrade, as a file, and what its roll-ups were before."""
    async with _server(stack, community_snapshot) as server:
        await migrate(server.dsn(), settings=SETTINGS)
        async with store_of(Database(server, "postgres")) as store:
            await as_apache(store)
            before = await store.rolled_up()
        await migrate(server.dsn())
        return await server.snapshot(), before


async def assert_kept(store: Store, before: Rows, what: str) -> None:
    """Each level has the rows that it had, with their values."""
    after = await store.rolled_up()
    assert {step: len(rows) for step, rows in after.items()} == {step: len(rows) for step, rows in before.items()}, what
    for step in STEPS:
        assert after[step] == before[step], f"{what}: {step}"


async def test_nothing_is_lost_by_the_upgrade(stack: LocalStack, upgraded: tuple[Path, Rows]) -> None:
    """At once, after the ingestor's rounds with retention between them, and after a person's refresh of everything."""
    snapshot, before = upgraded
    assert [len(before[step]) // (3 * 59) for step in STEPS] == [97, 24, 1, 0], "of 60 days there are roll-ups"
    async with _server(stack, snapshot) as server, store_of(Database(server, "postgres")) as store:
        assert await store.value("SELECT to_regclass('rolled_15m') IS NULL AND to_regclass('rollup_late') IS NULL")
        await assert_kept(store, before, "after migrate")
        assert (await store.roll_up()).stretches <= 8, "what is taken over needs no refresh"
        await assert_kept(store, before, "after a round")
        await retain(store.connection)
        await store.roll_up()
        await assert_kept(store, before, "after retention")
        for level in LEVELS:
            await store.execute(f"CALL refresh_continuous_aggregate('{level}', NULL, NULL)")
        await assert_kept(store, before, "after a refresh without limits")
    assert await _migrated_again(stack, snapshot) == []


async def _migrated_again(stack: LocalStack, snapshot: Path) -> list[str]:
    async with _server(stack, snapshot) as server:
        return await migrate(server.dsn())


async def test_the_levels_in_every_order(stack: LocalStack, upgraded: tuple[Path, Rows]) -> None:
    """Whichever refresh runs first after the upgrade, it removes nothing that a finer level has not got yet."""
    snapshot, before = upgraded
    for order in permutations(LEVELS):
        async with _server(stack, snapshot) as server, store_of(Database(server, "postgres")) as store:
            for level in order:
                await store.execute(f"CALL refresh_continuous_aggregate('{level}', NULL, NULL)")
            await assert_kept(store, before, " ".join(order))


async def test_late_readings_after_the_upgrade(stack: LocalStack, upgraded: tuple[Path, Rows]) -> None:
    """As old as readings are kept they are in all levels; older ones replace nothing, also with a longer retention."""
    snapshot, before = upgraded
    async with _server(stack, snapshot) as server:
        dsn = server.dsn()
        async with store_of(Database(server, "postgres")) as store:
            await store.execute(LATE.format(age="45 days"))
            await store.roll_up()
            await assert_kept(store, before, "a reading of a time whose readings are gone")
        await migrate(dsn, settings={"keep_readings": "60d"})
        async with store_of(Database(server, "postgres")) as store:
            await store.execute(LATE.format(age="44 days"))
            await store.roll_up()
            await assert_kept(store, before, "the same while readings are kept for longer")
            await store.execute(LATE.format(age="29 days 2 hours"))
            await store.roll_up()
            for step in STEPS:
                assert await store.value(REACHED.format(step=step)) == 1, step


@pytest.mark.parametrize("late_at", ["noted by Apache", "while no ingestor ran"])
async def test_what_apache_had_not_rolled_up_yet(community: Database, late_at: str) -> None:
    """Late readings that Apache had noted, and all since its last round, are rolled up by Community."""
    await migrate(community.dsn(), settings=SETTINGS)
    async with store_of(community) as store:
        await as_apache(store)
        if late_at != "noted by Apache":
            mark = "date_bin('15 minutes', now() - interval '9 days', '2000-01-01Z')"
            await store.execute(f"UPDATE rollup_state SET noted_until = {mark}, shown_until = {mark}")  # noqa: S608 - the test's own text
        await store.execute(LATE.format(age="5 days"))
    await migrate(community.dsn())
    async with store_of(community) as store:
        await store.roll_up()
        for step in STEPS:
            assert await store.value(REACHED.format(step=step)) == 1, step
        wanted = await store.rows("SELECT series_id, count(*) FROM reading GROUP BY 1 ORDER BY 1")
        rolled = "SELECT series_id, sum(readings) FROM rollup_15m WHERE bucket >= kept_since('readings')"
        found = await store.rows(f"{rolled} GROUP BY 1 ORDER BY 1")
        assert found == wanted


@pytest.mark.editions
async def test_the_owner_of_a_database_who_is_no_superuser(stack: LocalStack) -> None:
    """Whoever owns it and may create roles migrates Community, and the ingestor rolls up with its own rights alone."""
    async with _server(stack, None) as server:
        database = Database(server, "postgres")
        async with store_of(database) as store:
            await store.execute("CREATE ROLE owner LOGIN CREATEROLE; ALTER DATABASE postgres OWNER TO owner")
            # PGlite has one session for all connections, and its role stays
            await store.execute("ALTER SCHEMA public OWNER TO owner; SET ROLE owner")
        assert (await migrate(server.dsn()))[-1] == "features of TimescaleDB Community"
        async with store_of(database) as store:
            assert await store.value(
                "SELECT current_user = 'owner' AND NOT rolsuper FROM pg_roles WHERE rolname = 'owner'"
            )
            await store.execute("SET ROLE wattline_ingestor")
            await store.execute(
                "INSERT INTO reading SELECT t, 1, 1, 0"
                " FROM generate_series(now() - interval '20 days', now() - interval '2 hours', '1 hour') t"
            )
            await refresh_aggregates(store.connection)
            assert await failing_jobs(store.connection) == []
            assert await store.value("SELECT sum(readings) FROM rollup_1d") == await store.readings()
            assert not await store.value(
                "SELECT has_schema_privilege('public', 'CREATE') OR has_table_privilege('reading', 'TRIGGER')"
            )
            await store.execute("SET ROLE owner")
        await migrate(server.dsn(), settings={"zone": ZONE, "keep_readings": "10d"})
        async with store_of(database) as store:
            await store.execute("SET ROLE wattline_ingestor")
            before = await store.rolled_up()
            await refresh_aggregates(store.connection)
            assert (await retain(store.connection))["reading"] >= 9
            await refresh_aggregates(store.connection)
            assert await store.rolled_up() == before


async def test_what_retention_has_taken_before_is_found(each_edition: Database) -> None:
    """A database of before gets the times from when on readings and quarter-hours are whole; without a loss none."""
    kept = "SELECT * FROM store_kept ORDER BY what"
    async with store_of(each_edition) as store:
        await store.execute(FILL.replace("60 days", "130 days").replace("10 min", "2 hours"))
        await store.roll_up()
        await store.execute(KEPT_AGAIN)
        assert await store.rows(kept) == []
    await migrate(each_edition.dsn(), settings={"keep_readings": "30d", "keep_rollup_15m": "93d"})
    async with store_of(each_edition) as store:
        assert len(await retain(store.connection)) == 2
        noted = await store.rows(kept)
        assert [what for what, _ in noted] == ["readings", "rollup_15m"]
        await store.execute("INSERT INTO reading SELECT now() - interval '50 days', 1, 1, 0")
        await store.execute(KEPT_AGAIN)
        assert await store.rows(kept) == noted
