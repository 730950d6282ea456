"""Who publishes what waits in the store: one gateway at a time, whatever becomes of it, and in order."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from broker.contract.messages import Desired, Parameters
from gateway.bus.notices import DESIRED
from gateway.bus.outbox import CLAIM_S, Outbox
from gateway.desired.change import Change, Configuration
from gateway.desired.store import set_desired
from gateway.fleet.store.devices import ensure_device
from gateway.metrics import Metrics
from store.pool import Pool, open_pool
from tests.rigs.gateway import connection, rows
from tests.rigs.servers import Database
from tests.rigs.waiting import until


@contextlib.asynccontextmanager
async def pooled(database: Database) -> AsyncIterator[Pool]:
    dsn = database.dsn("wattline_gateway")
    async with open_pool(dsn, min_size=1, max_size=5, application_name="outbox-test") as pool:
        yield pool


async def write(change: Change, name: str, version: int) -> None:
    """Give a device a desired configuration of this version."""
    device_id = await ensure_device(change.connection, name)
    desired = Desired(version=version, parameters=Parameters()).sealed()
    document = json.loads(desired.payload())
    await set_desired(
        change.connection, [(device_id, version, str(desired.hash), document, "system", datetime.now(UTC))]
    )


async def wanted(pool: Pool, *names: str, version: int = 1) -> None:
    async with Configuration(pool).changing() as change:
        for name in names:
            await write(change, name, version)


async def taken(outbox: Outbox) -> list[tuple[str, int]]:
    return sorted((one.device, one.desired.version) for one in await outbox.claim())


async def test_what_one_has_in_hand_no_other_takes(database: Database) -> None:
    """Two gateways share what waits; what one could not send the other may, and what was acknowledged nobody."""
    async with pooled(database) as pool:
        one, two = (Outbox(pool, name, Metrics()) for name in ("one", "two"))
        await wanted(pool, "d1", "d2")
        claimed = await one.claim()
        await wanted(pool, "d3")
        assert await taken(two) == [("d3", 1)]
        assert (await one.waiting()).devices == 3
        assert 0 < ((await one.waiting()).free_in_s or 0) <= CLAIM_S
        first = next(each for each in claimed if each.device == "d1")
        await one.release(claimed, {first.device_id: 1})
        assert await taken(two) == [("d2", 1), ("d3", 1)], "its own again, and what was let go of"
        assert await taken(one) == []
    (row,) = await rows(database, "SELECT announced, claimed_by FROM desired JOIN device d ON d.id = device_id"
                                  " WHERE d.name = 'd1'")  # fmt: skip
    assert row == {"announced": 1, "claimed_by": None}


async def test_the_next_version_waits_for_the_one_that_is_on_its_way(database: Database) -> None:
    """Else the earlier one could reach the broker last. Once that is acknowledged, its successor still waits."""
    async with pooled(database) as pool:
        one, two = (Outbox(pool, name, Metrics()) for name in ("one", "two"))
        await wanted(pool, "d1")
        (claimed,) = await one.claim()
        await wanted(pool, "d1", version=2)
        assert await taken(two) == []
        await one.release([claimed], {claimed.device_id: 1})
        assert await taken(two) == [("d1", 2)]


async def test_claims_of_a_gateway_that_died_end(database: Database) -> None:
    """Its next start takes them at once, others when their time is over; what it notes then is not believed."""
    async with pooled(database) as pool:
        metrics = Metrics()
        one, two = Outbox(pool, "one", Metrics()), Outbox(pool, "two", metrics)
        await wanted(pool, "d1")
        late = await one.claim()
        assert await taken(Outbox(pool, "one", Metrics())) == [("d1", 1)]
        assert await taken(two) == []
        async with connection(database) as opened:
            await opened.execute("UPDATE desired SET claimed_until = now()")
        assert await taken(two) == [("d1", 1)]
        assert metrics.registry.get_sample_value("wattline_gateway_publications_taken_over_total") == 1
        await one.release(late, {late[0].device_id: 1})
        assert (await two.waiting()).devices == 1


async def test_what_the_broker_lost_is_published_again_though_it_was_in_hand(database: Database) -> None:
    """An acknowledgement of before the loss is not noted after it; what waits anyway is not counted as lost."""
    async with pooled(database) as pool:
        one, configuration = Outbox(pool, "one", Metrics()), Configuration(pool)
        await wanted(pool, "d1", "d2", "d3")
        claimed = {each.device: each for each in await one.claim()}
        done = [claimed["d1"], claimed["d2"]]
        await one.release(done, {each.device_id: 1 for each in done})
        async with configuration.changing() as change:
            await write(change, "d2", 2)
            assert await change.republish(["d1", "d2", "d3", "nobody"]) == ["d1"]
        await one.release([claimed["d3"]], {claimed["d3"].device_id: 1})
        assert await taken(one) == [("d1", 1), ("d2", 2), ("d3", 1)]


async def test_nobody_waits_for_a_change_that_is_being_written(database: Database) -> None:
    """Its rows are passed over while it lasts, by who claims and by who notes; its commit tells, its end frees them."""
    async with pooled(database) as pool, connection(database) as listener:
        one = Outbox(pool, "one", Metrics())
        heard: list[str] = []
        await wanted(pool, "d1", "d2")
        await listener.add_listener(DESIRED, lambda *about: heard.append(about[2]))
        claimed = await one.claim()
        async with asyncio.timeout(20), Configuration(pool).changing() as change:
            await write(change, "d1", 2)
            await one.release(claimed, {each.device_id: 1 for each in claimed})
            assert await taken(one) == []
            assert heard == []
        await until(lambda: heard, "the commit is told")
        assert await taken(one) == [("d1", 2)]


async def test_a_change_that_fails_announces_nothing(database: Database) -> None:
    """Nothing of it waits, and nothing is told of it."""
    async with pooled(database) as pool, connection(database) as listener:
        heard: list[str] = []
        await listener.add_listener(DESIRED, lambda *about: heard.append(about[3]))
        configuration = Configuration(pool)
        with contextlib.suppress(RuntimeError):
            async with configuration.changing() as change:
                await write(change, "d1", 1)
                raise RuntimeError
        assert (await Outbox(pool, "one", Metrics()).waiting()).devices == 0
        await pool.execute("SELECT pg_notify($1, 'after')", DESIRED)
        await until(lambda: heard == ["after"], "nothing but this is told")
