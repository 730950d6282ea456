"""A database of the first landed release, brought up to date: on each edition, with readings and their roll-ups."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.community import CommunityServer, provide_community
from deploy.local.postgres import PostgresServer
from deploy.local.settings import LocalSettings
from deploy.local.stack import LocalStack
from store import edition
from store.migrate import migrate, shipped
from store.settings import StoreSettings
from tests.rigs.rollups import METERS, store_of
from tests.rigs.servers import Database

FIRST = Path(__file__).parent.parent / "data" / "editions-0021"
"""The editions' SQL as it was when migration 0021 was the newest."""
NEWEST_THEN = "0021"
LEVELS = "SELECT view_name::text FROM timescaledb_information.continuous_aggregates ORDER BY array_position("
LEVELS += "ARRAY['15m', '1h', '1d', '1mo'], split_part(view_name, '_', 2))"
FILL = (
    "INSERT INTO reading SELECT t, s * 1000 + floor(extract(epoch FROM t - now()) / 600), s, 0 FROM generate_series("
    "date_trunc('hour', now()) - interval '9 days', now() - interval '5 min', '10 min') t, generate_series(1, 3) s"
)


@pytest_asyncio.fixture
async def community_empty(stack: LocalStack) -> AsyncIterator[Database]:
    """An empty database of TimescaleDB Community."""
    packages = await asyncio.to_thread(provide_community, LocalSettings(), print)
    server = CommunityServer(packages, stack.folder / f"community-{secrets.token_hex(4)}")
    await server.start()
    yield Database(server, "postgres")
    await server.stop()


@pytest.fixture
def apache_empty(own_postgres: PostgresServer) -> Database:
    """An empty database of TimescaleDB Apache."""
    return Database(own_postgres, "wattline")


@pytest.fixture(params=["apache", pytest.param("community", marks=pytest.mark.editions)])
def empty(request: pytest.FixtureRequest) -> tuple[str, Database]:
    """An edition and an empty database of it."""
    return request.param, request.getfixturevalue(f"{request.param}_empty")


def as_first(
    rendered: Callable[[str, StoreSettings], dict[str, str]],
) -> Callable[[str, StoreSettings], dict[str, str]]:
    """Give the SQL of the first release in place of today's, with the same settings filled in."""

    def first(name: str, settings: StoreSettings) -> dict[str, str]:
        assert rendered(name, settings)
        values = edition._values(settings)
        files = sorted((FIRST / name).glob("*.sql"))
        return {f.name: edition._PLACEHOLDER.sub(lambda match: values[match[1]], f.read_text("utf-8")) for f in files}

    return first


async def test_a_database_of_the_first_release_is_brought_up_to_date(
    empty: tuple[str, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Migrations and features go through, a second run does nothing, and no roll-up changes."""
    kind, database = empty
    await migrate(database.dsn(), tuple(one for one in shipped() if one.name < f"{NEWEST_THEN}~"))
    async with store_of(database) as store:
        with monkeypatch.context() as patched:
            patched.setattr(edition, "rendered", as_first(edition.rendered))
            assert await edition.apply_edition(store.connection, {}), "the first release's features"
        await store.execute(METERS)
        await store.execute(FILL)
        for (level,) in await store.rows(LEVELS):
            await store.execute(f"CALL refresh_continuous_aggregate('{level}', NULL, NULL)")
        before = await store.rolled_up()
        assert before["1h"], "there is something to lose"
    done = await migrate(database.dsn())
    assert done[-1] == f"features of TimescaleDB {kind.capitalize()}"
    assert await migrate(database.dsn()) == []
    async with store_of(database) as store:
        assert await store.rolled_up() == before
        await store.roll_up()
        assert await store.rolled_up() == before


async def test_aggregates_of_before_step_over_what_they_cant_sum(
    community_empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Community: aggregates that the first release made have no bounds; one quarter-hour fails, all others are made."""
    database = community_empty
    await migrate(database.dsn(), tuple(one for one in shipped() if one.name < f"{NEWEST_THEN}~"))
    async with store_of(database) as store:
        with monkeypatch.context() as patched:
            patched.setattr(edition, "rendered", as_first(edition.rendered))
            await edition.apply_edition(store.connection, {})
        await store.execute(METERS)
    await migrate(database.dsn())
    async with store_of(database) as store:
        await store.execute(FILL)
        await store.execute("INSERT INTO reading SELECT now() - interval '2 days' + n * interval '1 ms', 1.7e308, 4, 0"
                            " FROM generate_series(1, 3) n")  # fmt: skip
        done = await store.roll_up()
        assert done.stepped_over >= 1
        assert done.left_out == 1
        quarters = "SELECT count(DISTINCT time_bucket('15 minutes', time))::int FROM reading WHERE series_id = 1"
        whole = await store.value(quarters + " AND time < time_bucket('15 minutes', now())")
        made = await store.value(
            "SELECT count(*)::int FROM rollup_15m WHERE series_id = 1 AND bucket < time_bucket('15 minutes', now())"
        )
        assert whole - 1 <= made <= whole
