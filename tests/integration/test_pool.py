"""The connection pool of the services: what its connections end, undo and know."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest

from store.errors import DATABASE_ERRORS, is_transient
from store.pool import IDLE_TIMEOUT_S, open_pool
from tests.rigs.ingesting import table
from tests.rigs.servers import Database
from tests.rigs.waiting import until_equal

SHOWN = "SELECT current_setting('idle_in_transaction_session_timeout')"
OPEN = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'test-idle' AND state LIKE 'idle in trans%'"


async def test_a_transaction_that_nobody_goes_on_with_ends_soon(database: Database) -> None:
    """It gives its locks back in 15 s, as where its process is frozen; going on then is an error that time heals."""
    dsn = database.dsn("wattline_ingestor")
    async with open_pool(dsn, min_size=1, max_size=1, application_name="test-idle") as pool:
        assert await pool.fetchval(SHOWN) == f"{IDLE_TIMEOUT_S:.0f}s" == "15s"
    async with (
        table(database) as asked,
        open_pool(dsn, min_size=1, max_size=1, application_name="test-idle", idle_timeout_s=0.3) as pool,
    ):

        async def waits() -> None:
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("INSERT INTO device (name) VALUES ('pi-1')")
                await until_equal(lambda: asked.value(OPEN), 0)
                await connection.fetchval("SELECT 1")

        with pytest.raises(DATABASE_ERRORS) as ended:
            await waits()
        assert is_transient(ended.value), repr(ended.value)
        assert await pool.fetchval("SELECT count(*) FROM device") == 0


async def test_what_is_left_open_is_undone_also_where_sessions_are_not_reset(database: Database) -> None:
    """A transaction that a user of a clean pool began and left ends with the use, and the next user sees none of it."""
    dsn = database.dsn("wattline_gateway")
    async with open_pool(dsn, min_size=1, max_size=1, application_name="test-clean", clean=True) as pool:
        async with pool.acquire() as connection:
            process = connection.get_server_pid()
            await connection.execute("BEGIN")
            await connection.execute("INSERT INTO device (name) VALUES ('pi-1')")
        async with pool.acquire() as connection:
            assert connection.get_server_pid() == process
            assert await connection.fetchval("SELECT count(*) FROM device") == 0
            assert not connection.is_in_transaction()


@pytest.mark.parametrize("clean", [True, False])
async def test_what_an_array_is_is_asked_once_in_a_process(database: Database, clean: bool) -> None:
    """Not once in each connection, where the answer costs the server more than the connection; a range still is."""
    wanted = "SELECT $1::bigint[] AS a, $2::timestamptz[] AS b, $3::text[] AS c, ARRAY[$4::bytea] AS d"
    values = ([1, None], [datetime(2026, 11, 30, tzinfo=UTC)], ["a"], b"\x00")
    dsn = database.dsn("wattline_gateway")
    async with open_pool(dsn, min_size=1, max_size=2, application_name="test-types", clean=clean) as pool:
        async with pool.acquire() as first:
            learnt = await first.fetchrow(wanted, *values)
            async with pool.acquire() as second:
                asked = list[str]()
                with second.query_logger(lambda query: asked.append(query.query)):
                    assert await second.fetchrow(wanted, *values) == learnt
                    await asyncio.sleep(0)
                assert asked == [wanted]
                assert await second.fetchval("SELECT int4range(1, 3)") == asyncpg.Range(1, 3)
    assert learnt is not None
    assert tuple(learnt) == (*values[:3], [values[3]])
