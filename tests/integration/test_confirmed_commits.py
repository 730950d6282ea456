"""A COMMIT that no synchronous standby has confirmed: PostgreSQL lets it hold at the primary, and nobody is told so."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import asyncpg
import pytest
import pytest_asyncio

from deploy.local.process import own
from deploy.local.stack import LocalStack
from ingestor.batches.batch import Batch
from ingestor.batches.records import DeviceEvent
from ingestor.batches.rows import micros_now
from ingestor.writing.writer import Writer
from store.errors import is_transient
from store.migrate import migrate
from store.replicated_commit import UnconfirmedCommitError, confirmed
from tests.rigs.ingesting import device, ingesting, settings
from tests.rigs.servers import Broker
from tests.rigs.standby import Pair, pair
from tests.rigs.waiting import until_equal

CANCEL = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
SYNCHRONOUS = "ALTER SYSTEM SET synchronous_standby_names = '*'"


@pytest_asyncio.fixture(loop_scope="session")
async def alone(stack: LocalStack) -> AsyncIterator[Pair]:
    """A migrated primary that waits for a standby, which is away."""
    folder = stack.folder / f"pair-{secrets.token_hex(4)}"
    folder.mkdir()
    own(folder)
    async with pair(stack.toolchain, folder) as two:
        await two.primary.create_database("wattline")
        await migrate(two.primary.dsn())
        await two.standby.kill()
        yield two


async def asked(two: Pair, ask: Callable[["asyncpg.Connection[asyncpg.Record]"], Awaitable[object]]) -> object:
    connection = await asyncpg.connect(two.primary.dsn(), server_settings={"synchronous_commit": "local"})
    try:
        return await ask(connection)
    finally:
        await connection.close()


async def be_synchronous(two: Pair) -> None:
    """Have the primary wait for its standby from now on."""
    await asked(two, lambda connection: connection.execute(SYNCHRONOUS))
    await asked(two, lambda connection: connection.execute("SELECT pg_reload_conf()"))


def batch(seq: int) -> Batch:
    """A batch of one event."""
    made, now_us = Batch(), micros_now()
    event = DeviceEvent(now_us, datetime(2026, 11, 23, tzinfo=UTC), 1, None, "port_lost", "info", "b3f1", seq, {})
    made.events[1, "b3f1", seq] = event
    return made


async def write_confirmed(connection: "asyncpg.Connection[asyncpg.Record]", made: Batch) -> None:
    async with confirmed(connection):
        await Writer().write(connection, made, staged=True)


async def test_an_unconfirmed_commit_is_an_error_and_so_is_its_repeat(alone: Pair) -> None:
    """Somebody cancels what hangs: a warning counts, and a repeat that changes nothing waits as the first one did."""
    await asked(alone, lambda connection: connection.execute("INSERT INTO device (name) VALUES ('pi-1')"))
    connection = await asyncpg.connect(alone.primary.dsn(user="wattline_ingestor"))
    with contextlib.closing(_Terminated(connection)):
        await write_confirmed(connection, batch(1))
        await be_synchronous(alone)
        for _ in range(2):
            writing = asyncio.create_task(write_confirmed(connection, batch(2)))
            await until_equal(lambda: asked(alone, lambda one: one.fetchval(CANCEL)), wanted=True)
            with pytest.raises(UnconfirmedCommitError) as refused:
                await writing
            assert is_transient(refused.value)
            assert await asked(alone, lambda one: one.fetchval("SELECT count(*) FROM event")) == 2
        await alone.standby.start()
        async with asyncio.timeout(30):
            await write_confirmed(connection, batch(2))


async def test_no_receipt_is_given_before_the_standby_has_it(broker: Broker, alone: Pair) -> None:
    """Somebody ends what hangs, again and again: nothing is acknowledged until the standby is back, and then it is."""
    covered, retries = "wattline_ingestor_receipts_covered_total", "wattline_ingestor_retries_total"
    retried = f'{retries}{{error="UnconfirmedCommitError"}}'
    of = settings(broker, alone.primary.dsn(user="wattline_ingestor"), writers=1, receipts_every_s=0.05)
    async with ingesting(of) as ingestor, device(broker) as pi:
        await pi.readings(1)
        await until_equal(lambda: ingestor.metric(covered), 1)
        await be_synchronous(alone)
        await pi.readings(1)

        async def cancelled() -> bool:
            await asked(alone, lambda one: one.fetchval(CANCEL))
            return await ingestor.metric(retried) >= 2 or await ingestor.metric(covered) > 1

        await until_equal(cancelled, wanted=True)
        assert await ingestor.metric(covered) == 1
        await alone.standby.start()
        await until_equal(lambda: ingestor.metric(covered), 2)
        assert await asked(alone, lambda one: one.fetchval("SELECT count(*) FROM reading")) == 6


class _Terminated:
    """Ends a connection without asking a server that may wait for its standby."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    def close(self) -> None:
        self._connection.terminate()
