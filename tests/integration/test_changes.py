"""What followers of the table `change` are given: every change once and in order, out of little memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from gateway.api.stream.changes import Changes, Position
from gateway.desired.reports import wait_reported
from gateway.metrics import Metrics
from gateway.signals import Signals
from store.pool import Pool, open_pool
from tests.rigs.gateway import connection, rows
from tests.rigs.servers import Database
from tests.rigs.waiting import stays

KEPT = 5
DEADLINE_S = 60.0


@contextlib.asynccontextmanager
async def polling(database: Database, kept: int = KEPT) -> AsyncIterator[tuple[Changes, Pool]]:
    """Changes that keep `kept` in memory, read from the table as in a gateway."""
    dsn = database.dsn("wattline_gateway")
    async with open_pool(dsn, min_size=1, max_size=4, application_name="changes-test") as pool:
        changes = Changes(pool, Metrics(), kept=kept)
        task = asyncio.create_task(changes.run())
        yield changes, pool
        task.cancel()


async def add(database: Database, *devices: str) -> None:
    async with connection(database) as opened:
        await opened.executemany("INSERT INTO change (kind, device) VALUES ('device', $1)", [(d,) for d in devices])


async def following(changes: Changes, position: Position, count: int) -> tuple[list[str | None], Position]:
    """The devices of the next changes, as many as that, and where they end."""
    found: list[str | None] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(found) < count:
            page = await changes.after(position)
            assert page is not None
            found += [one.device for one in page]
            position = page[-1].position if page else position
    return found, position


def names(first: int, last: int) -> list[str]:
    return [f"pi-{number}" for number in range(first, last + 1)]


async def test_a_follower_gets_what_comes_and_waits_for_more(database: Database) -> None:
    """What was there before is not given; what comes is, in order, and a wait ends with the next change."""
    await add(database, "before")
    async with polling(database) as (changes, _):
        start = await changes.follow()
        waiting = asyncio.create_task(following(changes, start, 3))
        await add(database, *names(1, 3))
        found, position = await waiting
        assert found == names(1, 3)
        waiting = asyncio.create_task(following(changes, position, 1))
        await add(database, "pi-4")
        assert (await waiting)[0] == ["pi-4"]
        changes.leave()


async def test_who_is_far_behind_reads_the_table_and_misses_nothing(database: Database) -> None:
    """Memory holds the newest few only; a slow follower gets each change once and in order all the same."""
    await add(database, "before")
    async with polling(database) as (changes, _):
        fast = start = await changes.follow()
        for batch in range(4):
            wanted = names(batch * 10 + 1, batch * 10 + 10)
            await add(database, *wanted)
            found, fast = await following(changes, fast, 10)
            assert found == wanted
            assert len(changes._recent) <= KEPT
        await changes.follow()
        assert await following(changes, start, 40) == (names(1, 40), fast)
        for position in (start, fast):
            assert await changes.known(position)


async def test_what_is_gone_is_said_to_be_gone(database: Database) -> None:
    """A place before all that memory and table still have gets None, so that the client reads anew."""
    await add(database, "before")
    async with polling(database) as (changes, pool):
        start = await changes.follow()
        await add(database, *names(1, 10))
        _, newest = await following(changes, start, 10)
        await pool.execute("DELETE FROM change")
        assert not await changes.known(start)
        assert await changes.after(start) is None
        assert await changes.newest() == newest
        await add(database, "pi-11")
        assert (await following(changes, newest, 1))[0] == ["pi-11"]


async def test_an_open_transaction_is_waited_for_and_not_passed_over(database: Database) -> None:
    """A change that commits late under an older number still comes, before those that committed earlier."""
    async with polling(database) as (changes, _), connection(database) as opened:
        start = await changes.follow()
        transaction = opened.transaction()
        await transaction.start()
        await opened.execute("INSERT INTO change (kind, device) VALUES ('device', 'late')")
        await add(database, "early")
        waiting = asyncio.create_task(following(changes, start, 2))
        await stays(lambda: not waiting.done(), 1.5, "the early one waits for the late one")
        await transaction.commit()
        assert (await waiting)[0] == ["late", "early"]


async def test_memory_is_let_go_of_with_the_last_follower(database: Database) -> None:
    """While nobody follows nothing is read; who comes back with the place where they were misses nothing."""
    async with polling(database, kept=100) as (changes, _):
        start = await changes.follow()
        await changes.follow()
        await add(database, *names(1, 3))
        _, position = await following(changes, start, 3)
        changes.leave()
        assert len(changes._recent) == 3
        changes.leave()
        assert not changes._recent
        await add(database, *names(4, 6))
        head = await changes.follow()
        assert head > position
        assert (await following(changes, position, 3))[0] == names(4, 6)


async def test_a_lost_database_connection_loses_no_change(database: Database) -> None:
    """The next look after a failed one goes on where the last good one ended."""
    async with polling(database) as (changes, _), connection(database) as opened:
        position = await changes.follow()
        for number in range(1, 4):
            await opened.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'changes-test'"
                " AND datname = current_database()"
            )
            await add(database, f"pi-{number}")
            found, position = await following(changes, position, 1)
            assert found == [f"pi-{number}"]


async def test_the_table_forgets_what_is_older_than_an_hour(database: Database) -> None:
    """A gateway trims the table by itself, whether anybody follows or not."""
    async with connection(database) as opened:
        old = "INSERT INTO change (kind, device, at) VALUES ('device', $1, now() - make_interval(mins => $2))"
        await opened.executemany(old, [("old", 61), ("young", 59)])
    async with polling(database), asyncio.timeout(DEADLINE_S):
        while await kept(database) != ["young"]:
            await asyncio.sleep(0.05)


async def kept(database: Database) -> list[Any]:
    return [row["device"] for row in await rows(database, "SELECT device FROM change ORDER BY id")]


def test_a_place_is_written_as_it_is_read() -> None:
    """Places are ordered by transaction first."""
    for place in (Position(0, 0), Position(7, 2**62), Position(2**62, 1)):
        assert Position.parse(str(place)) == place
    assert Position(1, 9) < Position(2, 1)


async def ends(task: asyncio.Task[Any]) -> bool:
    """Whether a task that was cancelled ends."""
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.wait({task}, timeout=DEADLINE_S / 2)
    return task.cancelled()


async def test_a_cancellation_that_comes_with_the_news_ends_the_polling(database: Database) -> None:
    """A follower that arrives in the moment of the stop does not keep the poller alive."""
    dsn = database.dsn("wattline_gateway")
    async with open_pool(dsn, min_size=1, max_size=4, application_name="changes-test") as pool:
        changes = Changes(pool, Metrics())
        task = asyncio.create_task(changes.run())
        async with asyncio.timeout(DEADLINE_S):
            while not changes._wanted._waiters:
                await asyncio.sleep(0.01)
        changes._wanted.set()
        task.cancel()
        try:
            assert await ends(task)
        finally:
            task.cancel()


async def test_a_cancellation_that_comes_with_the_report_ends_the_wait(database: Database) -> None:
    """A device that reports in the moment its waiter is cancelled does not bring the waiter back."""
    dsn, signals = database.dsn("wattline_gateway"), Signals()
    async with open_pool(dsn, min_size=1, max_size=4, application_name="changes-test") as pool:
        task = asyncio.create_task(wait_reported(pool, signals, {"pi-1": 1}, 2 * DEADLINE_S))
        async with asyncio.timeout(DEADLINE_S):
            while not any(event._waiters for event in signals._waiters):
                await asyncio.sleep(0.01)
        signals.notify("pi-1")
        task.cancel()
        try:
            assert await ends(task)
        finally:
            task.cancel()
