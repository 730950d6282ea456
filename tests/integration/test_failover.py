"""A database of several servers: the primary is found wherever it is, and readers take a replica where one is there."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from deploy.local.process import own
from deploy.local.stack import LocalStack
from store import servers
from store.errors import DATABASE_ERRORS, is_transient
from store.migrate import migrate
from store.pool import Pool, open_pool
from store.servers import NoServerError, Servers
from tests.rigs.standby import Pair, pair
from tests.rigs.waiting import stays

DEADLINE_S = 60.0
TABLE = "CREATE TABLE IF NOT EXISTS written (n int)"
WHERE = "SELECT pg_is_in_recovery()"


async def made(stack: LocalStack) -> AsyncIterator[Pair]:
    folder = stack.folder / f"pair-{secrets.token_hex(4)}"
    folder.mkdir()
    own(folder)
    async with pair(stack.toolchain, folder) as found:
        yield found


@pytest.fixture
async def two(stack: LocalStack) -> AsyncIterator[Pair]:
    """For a test that leaves them otherwise than it found them."""
    async for found in made(stack):
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(stack: LocalStack) -> AsyncIterator[Pair]:
    """For the others."""
    async for found in made(stack):
        yield found


@contextlib.asynccontextmanager
async def pool_of(dsn: str, **options: Any) -> AsyncIterator[Pool]:
    async with (
        asyncio.timeout(DEADLINE_S),
        open_pool(dsn, min_size=1, max_size=3, application_name="test", **options) as pool,
    ):
        yield pool


async def until_written(pool: Pool) -> None:
    """Write as our services do: what `is_transient` calls transient is tried again."""
    while True:
        try:
            await pool.execute("INSERT INTO written VALUES (1)")
        except DATABASE_ERRORS as error:
            if not is_transient(error):
                raise
            await asyncio.sleep(0.05)
        else:
            return


async def refused_write(pool: Pool) -> None:
    """Write on a connection whose server has become read-only meanwhile."""
    async with pool.acquire() as connection:
        await connection.execute("SET default_transaction_read_only = on")
        await connection.execute("INSERT INTO written VALUES (1)")


async def test_a_pool_finds_the_primary_before_and_after_a_fail_over(two: Pair) -> None:
    """Whatever the order in the DSN, a writer is at the primary; when that is killed, at the one that was promoted."""
    async with pool_of(two.dsn(two.standby, two.primary)) as pool:
        await pool.execute(TABLE)
        assert await pool.fetchval(WHERE) is False
        await two.caught_up()
        await two.primary.kill()
        await two.promote()
        await until_written(pool)
        assert await pool.fetchval("SELECT current_setting('port')") == str(two.standby.port)


async def test_a_service_waits_while_no_server_is_a_primary(two: Pair) -> None:
    """A standby alone is no error to end on: the pool opens as soon as one is promoted. It says why."""
    await two.primary.kill()
    with pytest.raises(NoServerError) as refused:
        await Servers(two.dsn(two.primary, two.standby)).connect(two.dsn(two.primary, two.standby), timeout=10)
    assert f"127.0.0.1:{two.standby.port} is a standby" in str(refused.value)
    assert f"127.0.0.1:{two.primary.port} " in str(refused.value)
    assert is_transient(refused.value)
    with pytest.raises(NoServerError, match="is a standby"):
        await Servers(two.standby.dsn("postgres")).connect(two.standby.dsn("postgres"), timeout=10)

    async def opened() -> bool:
        async with pool_of(two.dsn(two.primary, two.standby)) as pool:
            return bool(await pool.fetchval(WHERE))

    opening = asyncio.create_task(opened())
    await stays(lambda: not opening.done(), 0.3, "it waits for one that can write")
    await two.promote()
    assert await opening is False


async def test_a_server_that_became_read_only_is_left(shared: Pair) -> None:
    """25006 is transient, and its connection is not used again; a reader's stays where it is."""
    async with pool_of(shared.primary.dsn("postgres")) as pool:
        await pool.execute(TABLE)
        before = await pool.fetchval("SELECT pg_backend_pid()")
        await pool.execute("SET default_transaction_read_only = on")
        async with pool.acquire() as connection:
            kept = await connection.fetchval("SELECT pg_backend_pid()")
        assert kept == before
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError) as refused:
            await refused_write(pool)
        assert is_transient(refused.value)
        await until_written(pool)
        assert await pool.fetchval("SELECT pg_backend_pid()") != before


async def test_a_host_that_is_off_the_network_costs_seconds_once(shared: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers nothing is passed over; later connections begin with the one that did."""
    monkeypatch.setattr(servers, "HOST_TIMEOUT_S", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hosts = f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{shared.primary.port}"
        dsn = f"postgresql://postgres@{hosts}/postgres?sslmode=disable"
        tried = Servers(dsn)
        for _ in range(2):
            connection = await tried.connect(dsn, timeout=10)
            assert await connection.fetchval(WHERE) is False
            await connection.close()
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


async def test_readers_take_a_replica_and_fall_back(shared: Pair) -> None:
    """`prefer-standby` reads from the replica, and from the primary while there is none."""
    dsn = shared.dsn(shared.primary, shared.standby)
    async with pool_of(dsn, wanted="prefer-standby") as pool:
        assert await pool.fetchval(WHERE) is True
        await shared.standby.kill()
        async with asyncio.timeout(DEADLINE_S):
            while True:
                with contextlib.suppress(*DATABASE_ERRORS):
                    if await pool.fetchval(WHERE) is False:
                        break
        await shared.standby.start()


async def test_a_dsn_that_names_what_it_wants_is_obeyed(shared: Pair) -> None:
    """`target_session_attrs` in the address wins over what a service would want."""
    async with pool_of(shared.dsn(shared.primary, shared.standby, attrs="standby")) as pool:
        assert await pool.fetchval(WHERE) is True


async def test_a_migration_goes_to_the_primary(shared: Pair) -> None:
    """`wattline migrate` takes several servers, too."""
    await shared.primary.create_database("wattline")
    await shared.caught_up()
    assert await migrate(shared.dsn(shared.standby, shared.primary, database="wattline"))
