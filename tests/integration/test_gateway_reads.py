"""The API's reads at a replica: there while it is near enough behind, at the primary whenever it is not."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from deploy.local.process import own
from deploy.local.stack import LocalStack
from gateway.api import reads as reading
from gateway.api.reads import Reads, open_reads
from gateway.metrics import Metrics
from gateway.settings import GatewaySettings
from store.pool import open_pool
from tests.rigs.standby import Pair, pair

DEADLINE_S = 60.0
WHERE = "SELECT pg_is_in_recovery()"


@pytest.fixture
async def two(stack: LocalStack) -> AsyncIterator[Pair]:
    folder = stack.folder / f"pair-{secrets.token_hex(4)}"
    folder.mkdir()
    own(folder)
    async with pair(stack.toolchain, folder) as found:
        yield found


@contextlib.asynccontextmanager
async def reads_of(two: Pair, **settings: Any) -> AsyncIterator[Reads]:
    dsn = two.primary.dsn("postgres")
    given = GatewaySettings(database_dsn=SecretStr(dsn), **settings)
    async with (
        asyncio.timeout(2 * DEADLINE_S),
        open_pool(dsn, min_size=1, max_size=2, application_name="test") as pool,
        open_reads(given, pool, Metrics()) as found,
        asyncio.TaskGroup() as group,
    ):
        looking = group.create_task(found.run())
        yield found
        looking.cancel()


async def until_at(reads: Reads, *, replica: bool) -> None:
    """Ask until the answer is the replica's, or the primary's; no question may fail meanwhile."""
    async with asyncio.timeout(DEADLINE_S):
        while (await reads.fetch(WHERE))[0][0] is not replica:
            await asyncio.sleep(0.05)


async def test_reads_follow_a_replica_that_is_well(two: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the replica; while its replay lags or it is down at the primary, with no failed query; then back again."""
    monkeypatch.setattr(reading, "OBSERVE_S", 0.1)
    monkeypatch.setattr(reading, "ELSEWHERE_S", 0.5)
    standby = await asyncpg.connect(two.standby.dsn("postgres"))
    primary = await asyncpg.connect(two.primary.dsn("postgres"))
    read_dsn = SecretStr(two.dsn(two.standby, two.primary))
    async with reads_of(two, read_dsn=read_dsn, read_lag_s=1.0) as reads:
        await until_at(reads, replica=True)
        assert "at the replica" in reads.check()[1]
        await standby.execute("SELECT pg_wal_replay_pause()")
        await primary.execute("CREATE TABLE something (n int)")
        await until_at(reads, replica=False)
        ok, told = reads.check()
        assert ok
        assert "behind" in told
        await standby.execute("SELECT pg_wal_replay_resume()")
        await until_at(reads, replica=True)
        await two.standby.kill()
        await until_at(reads, replica=False)
        await two.standby.start()
        await until_at(reads, replica=True)
        # the old answers of a replica are better than none
        await two.primary.kill()
        assert (await reads.fetch(WHERE))[0][0] is True
    standby.terminate()
    primary.terminate()


async def test_without_a_replica_all_is_read_at_the_primary(two: Pair) -> None:
    """No setting, no second pool."""
    async with reads_of(two) as reads:
        await until_at(reads, replica=False)
        assert await reads.fetchrow("SELECT 1 WHERE false") is None
