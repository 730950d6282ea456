"""The inbox on a real database: exactly once, repeats, poison, an outage, and two that write the same at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from intake.inbox.inbox import Inbox, InboxBounds, open_inbox
from intake.inbox.metrics import InboxMetrics
from intake.inbox.payload import InboxAwayError, InboxFullError, Kept, KeyReusedError, Payload, PayloadRefusedError
from store.pool import open_pool
from tests.rigs.ingesting import Table, table
from tests.rigs.servers import Database
from tests.rigs.waiting import until, until_equal

DEADLINE_S = 60.0


@contextlib.asynccontextmanager
async def inbox_of(database: Database, bounds: InboxBounds | None = None) -> AsyncIterator[tuple[Inbox, InboxMetrics]]:
    """An inbox with the rights that it has in service."""
    metrics = InboxMetrics("test", CollectorRegistry())
    async with (
        open_pool(database.dsn("wattline_intake"), min_size=1, max_size=4, application_name="test") as pool,
        open_inbox(pool, bounds or InboxBounds(), metrics) as inbox,
    ):
        yield inbox, metrics


async def test_many_at_once_are_few_commits_and_each_is_kept_once(database: Database) -> None:
    """What is answered is in the table; a repeat is told its id and changes nothing, also within one batch."""
    async with inbox_of(database) as (inbox, metrics), table(database) as asked:
        payloads = [Payload("head-end", f"k{number % 400}", b"%d" % (number % 400)) for number in range(500)]
        kept = await asyncio.gather(*(inbox.put(one, DEADLINE_S) for one in payloads))
        rows = dict(await asked.rows("SELECT key, id FROM payload"))
        assert [one.id for one in kept] == [rows[one.key] for one in payloads]
        assert sum(one.repeated for one in kept) == 100
        assert not any(one.repeated for one in kept[:400])
        again = await inbox.put(Payload("head-end", "k1", b"1", "text/csv"), DEADLINE_S)
        assert again == Kept(rows["k1"], repeated=True)
        other = await inbox.put(Payload("meters", "k1", b"x", "application/json", "a/b"), DEADLINE_S)
        assert not other.repeated
        assert metrics.accepted._value.get() == 401
        assert metrics.repeated._value.get() == 101
        assert metrics.batches._value.get() < 20
        assert await asked.rows("SELECT content_type, topic, body, state FROM payload WHERE source = 'meters'") == [
            ("application/json", "a/b", b"x", "waiting")
        ]
        assert await asked.value("SELECT body FROM payload WHERE id = $1", again.id) == b"1"


async def test_a_key_with_another_body_is_no_repeat(database: Database) -> None:
    """Neither within a batch nor later, nor when the body is gone: who sends it would be told that it is kept."""
    async with inbox_of(database) as (inbox, _), table(database) as asked:
        same = [Payload("a", "k", body) for body in (b"1", b"2", b"1")]
        found = await asyncio.gather(*(inbox.put(one, DEADLINE_S) for one in same), return_exceptions=True)
        assert [type(one) for one in found] == [Kept, KeyReusedError, Kept]
        await asked.rows("UPDATE payload SET body = NULL RETURNING id")
        with pytest.raises(KeyReusedError, match="another body came with the key 'k'"):
            await inbox.put(Payload("a", "k", b"2"), DEADLINE_S)
        assert (await inbox.put(Payload("a", "k", b"1"), DEADLINE_S)).repeated
        await asked.rows("UPDATE payload SET digest = NULL RETURNING id")
        assert (await inbox.put(Payload("a", "k", b"2"), DEADLINE_S)).repeated, "of an older Wattline nobody knows"


async def test_what_the_database_refuses_harms_no_other(database: Database) -> None:
    """A key that no index takes, amid good ones, is refused alone."""
    async with inbox_of(database) as (inbox, _), table(database) as asked:
        payloads = [Payload("a", str(number), b"") for number in range(20)]
        payloads[7] = Payload("a", "nul \0 in it", b"")
        kept = await asyncio.gather(*(inbox.put(one, DEADLINE_S) for one in payloads), return_exceptions=True)
        assert isinstance(kept.pop(7), PayloadRefusedError)
        assert all(isinstance(one, Kept) for one in kept)
        assert await asked.value("SELECT count(*) FROM payload") == 19


async def test_two_inboxes_agree_on_the_same_keys(database: Database) -> None:
    """Several processes may bring the same at once, in any order: each key is new to one of them."""
    async with inbox_of(database) as (one, _), inbox_of(database) as (two, _), table(database) as asked:
        names = [f"k{number}" for number in range(300)]
        firsts = [one.put(Payload("a", key, b"1"), DEADLINE_S) for key in names]
        seconds = [two.put(Payload("a", key, b"1"), DEADLINE_S) for key in reversed(names)]
        kept = await asyncio.gather(*firsts, *seconds)
        assert sum(not each.repeated for each in kept) == 300
        assert len({each.id for each in kept}) == 300
        assert await asked.value("SELECT count(*) FROM payload") == 300


async def test_an_outage_refuses_and_ends(own_database: Database) -> None:
    """While the database is away nothing is accepted and nobody waits for long; afterwards all is as before."""
    async with inbox_of(own_database) as (inbox, metrics):
        first = await inbox.put(Payload("a", "1", b""), DEADLINE_S)
        await own_database.server.kill()
        with pytest.raises(InboxAwayError) as refused:
            await inbox.put(Payload("a", "2", b""), DEADLINE_S)
        assert refused.value.retry_after_s >= 1
        with pytest.raises(InboxAwayError):
            # said at once, without a word to the database
            inbox.check("a", 1)
        await own_database.server.start()

        async def kept() -> Kept:
            while True:
                try:
                    return await inbox.put(Payload("a", "2", b""), DEADLINE_S)
                except InboxAwayError:
                    await asyncio.sleep(0.05)

        async with asyncio.timeout(DEADLINE_S):
            assert not (await kept()).repeated
        assert await inbox.put(Payload("a", "1", b""), DEADLINE_S) == Kept(first.id, repeated=True)
        assert metrics.failed._value.get() >= 1


async def test_a_server_that_is_no_primary_any_more_is_left(own_database: Database) -> None:
    """Its connection is thrown away, not used again and again: the next one looks for the primary."""
    of_it = "SELECT array_agg(pid) FROM pg_stat_activity WHERE application_name = 'test'"
    async with inbox_of(own_database, InboxBounds(writers=1)) as (inbox, _), table(own_database) as asked:
        await inbox.put(Payload("a", "1", b""), DEADLINE_S)
        before = set(await asked.value(of_it))
        await asked.execute("SET default_transaction_read_only = off")
        await asked.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await asked.execute("SELECT pg_reload_conf()")

        async def refused() -> bool:
            try:
                await inbox.put(Payload("a", "2", b""), DEADLINE_S)
            except InboxAwayError as error:
                return "read-only" in error.reason
            return False

        await until(refused)
        await asked.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await asked.execute("SELECT pg_reload_conf()")

        async def kept() -> bool:
            with contextlib.suppress(InboxAwayError):
                return bool(await inbox.put(Payload("a", "3", b""), DEADLINE_S))
            return False

        await until(kept)
        await until(lambda: _all_others(asked, of_it, before), "its backend has ended")


async def _all_others(asked: Table, of_it: str, before: set[int]) -> bool:
    return not before & set(await asked.value(of_it))


async def test_a_slow_database_fills_the_room_and_no_more(database: Database) -> None:
    """Behind a lock payloads wait up to the bound, then to their deadline; what was asked to stop ends all the same."""
    bounds = InboxBounds(pending=20, batch=5, writers=1)
    async with inbox_of(database, bounds) as (inbox, metrics), table(database) as asked:
        await asked.execute("BEGIN; LOCK TABLE payload IN EXCLUSIVE MODE")
        waits = [asyncio.ensure_future(inbox.put(Payload(f"s{number}", "k", b""), 0.2)) for number in range(20)]
        await asyncio.sleep(0)
        with pytest.raises(InboxFullError, match="20 payloads"):
            await inbox.put(Payload("more", "k", b""), DEADLINE_S)
        assert inbox.load == 1
        done = await asyncio.gather(*waits, return_exceptions=True)
        assert {type(one) for one in done} == {InboxAwayError}
        await asked.execute("ROLLBACK")
        await until_equal(lambda: inbox.load, 0.0)
        assert await inbox.put(Payload("more", "k", b""), DEADLINE_S)
        # what was given up before its turn was never written; the batch that had begun may be
        assert await asked.value("SELECT count(*) FROM payload") <= 6
        await until_equal(metrics.pending._value.get, 0)


def test_the_rights_of_the_role_are_no_more_than_it_needs() -> None:
    """The migration gives no UPDATE, no DELETE and no sight of bodies."""
    text = (Path(__file__).parents[2] / "store" / "migrations" / "0060_sources.sql").read_text()
    (line,) = (one for one in text.splitlines() if "TO wattline_intake" in one and "payload" in one)
    assert "UPDATE" not in line
    assert "DELETE" not in line
    assert "body)" not in line.split("INSERT")[0]
