"""Ingestors, databases and brokers that die under load: published = stored + quarantined, and nothing twice."""

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from deploy.local.process import free_port
from ingestor.batches import assembler
from tests.rigs.ingesting import Device, Process, Running, Table, device, ingesting, settings, table
from tests.rigs.proxy import TcpProxy
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until_equal

VALUES = 3


async def load_until(pi: Device, stop: asyncio.Event) -> None:
    """Publish waves of good messages until told to stop, at least one."""
    while True:
        await pi.readings(100, VALUES)
        if stop.is_set():
            return


async def all_is_stored(asked: Table, pi: Device) -> None:
    """Wait until each published value is in the table, and see that it is there once and that the ledger agrees."""
    await until_equal(asked.entered, pi.seq)
    await until_equal(asked.readings, pi.published_values)
    assert (
        await asked.value("SELECT count(*) FROM (SELECT DISTINCT time, series_id FROM reading) r")
        == pi.published_values
    )
    assert await asked.lost() == 0


async def test_ingestor_killed_in_mid_batch(broker: Broker, database: Database, tmp_path: Path) -> None:
    """Killed -9 three times under load and started again, the ingestor loses nothing and doubles nothing."""
    ingestor = Process(broker, database.dsn("wattline_ingestor"), tmp_path / "log")
    await ingestor.start()
    try:
        async with table(database) as asked, device(broker) as pi, asyncio.TaskGroup() as group:
            stop = asyncio.Event()
            load = group.create_task(load_until(pi, stop), name="test.load")
            for _ in range(3):
                before = await asked.readings()
                await until_equal(lambda before=before: more_than(asked, before), wanted=True)
                await ingestor.kill()
                await ingestor.start()
            stop.set()
            await load
            await all_is_stored(asked, pi)
    finally:
        await ingestor.kill()


async def more_than(asked: Table, before: int) -> bool:
    """Whether rows were stored since."""
    return await asked.readings() > before


async def test_killed_between_commit_and_ack(own_broker: Broker, database: Database, tmp_path: Path) -> None:
    """What was committed, its acks never reaching the broker, comes again and changes nothing but the ledger."""
    count = 200
    services = TcpProxy(own_broker.host, own_broker.server.services_port)
    async with services as proxy, table(database) as asked, device(own_broker) as pi:
        reach = {"BROKER__PORT": str(proxy.port), "HTTP_PORT": str(free_port())}
        ingestor = Process(own_broker, database.dsn("wattline_ingestor"), tmp_path / "log", BATCH_WAIT_S="2", **reach)
        await ingestor.start()
        try:
            await pi.readings(count, VALUES)
            await pi.send_all([b"{not json"])
            async with aiohttp.ClientSession() as http:
                running = Running(http, f"http://127.0.0.1:{reach['HTTP_PORT']}")
                await until_equal(lambda: open_batch(running), f"{count + 1} messages in the open batch")
            proxy.stall()
            await until_equal(asked.readings, pi.published_values)
            await ingestor.kill()
            await proxy.cut()
            await proxy.restore()
            await ingestor.start()
            await until_equal(lambda: asked.value("SELECT sum(repeated) FROM message_gap"), count)
            await all_is_stored(asked, pi)
            assert await asked.quarantined() == {"invalid_json": 1}
        finally:
            await ingestor.kill()


async def open_batch(running: Running) -> str:
    """What /healthz says of the open batch."""
    _, document = await running.health()
    return str(document["checks"]["writing"]["detail"])


async def test_poison_survives_a_kill_once(broker: Broker, database: Database, tmp_path: Path) -> None:
    """Poison among good messages goes to quarantine, each piece once, though the ingestor is killed all the while."""
    ingestor = Process(broker, database.dsn("wattline_ingestor"), tmp_path / "log")
    await ingestor.start()
    try:
        async with table(database) as asked, device(broker) as pi:
            poisoned = 0
            for turn in range(4):
                wave = []
                for number in range(300):
                    wave.append(pi.payload(VALUES))
                    if number % 10 == 0:
                        wave.append(b"{not json")
                        poisoned += 1
                pi.published_values += 300 * VALUES
                publishing = asyncio.ensure_future(pi.send_all(wave))
                before = await asked.readings()
                await until_equal(lambda before=before: more_than(asked, before), wanted=True)
                if turn < 3:
                    await ingestor.kill()
                    await ingestor.start()
                await publishing
            await all_is_stored(asked, pi)
            await until_equal(asked.quarantined, {"invalid_json": poisoned})
    finally:
        await ingestor.kill()


async def test_stopping_drains(broker: Broker, database: Database, tmp_path: Path) -> None:
    """SIGTERM under load stores and acknowledges what was taken and ends with status 0: nothing comes twice."""
    ingestor = Process(broker, database.dsn("wattline_ingestor"), tmp_path / "log")
    await ingestor.start()
    try:
        async with table(database) as asked, device(broker) as pi, asyncio.TaskGroup() as group:
            stop = asyncio.Event()
            load = group.create_task(load_until(pi, stop), name="test.load")
            await until_equal(lambda: more_than(asked, 0), wanted=True)
            assert await ingestor.stop() == 0
            await ingestor.start()
            stop.set()
            await load
            await all_is_stored(asked, pi)
            assert await asked.value("SELECT device.last_seen_at IS NOT NULL FROM device")
    finally:
        await ingestor.kill()


async def test_database_killed_under_load(broker: Broker, own_database: Database) -> None:
    """A database killed -9 and recovered under load costs nothing: the broker held what could not be stored."""
    of = settings(broker, own_database.dsn("wattline_ingestor"))
    async with ingesting(of) as ingestor, device(broker) as pi, asyncio.TaskGroup() as group:
        stop = asyncio.Event()
        load = group.create_task(load_until(pi, stop), name="test.load")
        for _ in range(2):
            async with table(own_database) as asked:
                before = await asked.readings()
                await until_equal(lambda before=before, asked=asked: more_than(asked, before), wanted=True)
            await own_database.server.kill()
            await until_equal(lambda: database_is(ingestor, well=False), wanted=True)
            await own_database.server.start()
            await until_equal(lambda: database_is(ingestor, well=True), wanted=True)
        stop.set()
        await load
        async with table(own_database) as asked:
            await all_is_stored(asked, pi)
        assert await ingestor.metric("wattline_ingestor_batches_total") > 0


async def database_is(ingestor: Running, *, well: bool) -> bool:
    """Whether /healthz says this of the database."""
    _, document = await ingestor.health()
    return bool(document["checks"]["database"]["ok"]) is well


async def test_database_down_at_start(broker: Broker, own_database: Database) -> None:
    """An ingestor that starts before its database subscribes, waits, and stores what came meanwhile."""
    await own_database.server.stop()
    of = settings(broker, own_database.dsn("wattline_ingestor"))
    async with ingesting(of) as ingestor, device(broker) as pi:
        await pi.readings(50)
        status, document = await ingestor.health()
        assert status == 503
        assert not document["checks"]["database"]["ok"]
        await own_database.server.start()
        async with table(own_database) as asked:
            await all_is_stored(asked, pi)


async def test_broker_down_at_start_and_restarted(own_broker: Broker, database: Database) -> None:
    """An ingestor that starts before its broker connects when it comes, and again after the broker's restart."""
    await own_broker.server.stop()
    of = settings(own_broker, database.dsn("wattline_ingestor"))
    async with table(database) as asked, ingesting(of, connected=False) as ingestor:
        await until_equal(lambda: broker_is(ingestor, well=False), wanted=True)
        await own_broker.server.start()
        await until_equal(ingestor.takes_messages, wanted=True)
        async with device(own_broker) as pi, asyncio.TaskGroup() as group:
            stop = asyncio.Event()
            load = group.create_task(load_until(pi, stop), name="test.load")
            await until_equal(lambda: more_than(asked, 0), wanted=True)
            await own_broker.server.restart()
            stop.set()
            await load
            await all_is_stored(asked, pi)


async def broker_is(ingestor: Running, *, well: bool) -> bool:
    """Whether /healthz says this of the broker."""
    _, document = await ingestor.health()
    return bool(document) and bool(document["checks"]["broker"]["ok"]) is well


async def test_a_message_over_more_days_than_the_server_can_lock(
    broker: Broker, own_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load profile of years, a chunk a day, is stored though one transaction can't hold so many locks."""
    # as chunks are many in few days where hash partitions are: then nothing is set aside as of long ago
    monkeypatch.setattr(assembler, "MOST_DAYS", 10_000)
    async with table(own_database) as asked:
        await asked.value("ALTER SYSTEM SET max_locks_per_transaction = 10")
        await asked.value("ALTER SYSTEM SET max_connections = 25")
        await asked.value("ALTER SYSTEM SET max_worker_processes = 8")
        await asked.value("ALTER SYSTEM SET timescaledb.max_background_workers = 2")
    await own_database.server.restart()
    of = settings(broker, own_database.dsn("wattline_ingestor"))
    async with table(own_database) as asked, ingesting(of) as ingestor, device(broker) as pi:
        days = [pi.start_at - timedelta(days=number) for number in range(800)]
        samples = [{"at": at.isoformat(), "values": {"1-0:1.8.0": 1.5}} for at in days]
        await pi.send(pi.payload(samples=samples, source="profile"))
        entered = "SELECT messages, rows, repeated FROM message_gap"

        async def found() -> object:
            # the roll-ups, too, want their share of the few locks
            with contextlib.suppress(asyncpg.OutOfMemoryError):
                return await asked.rows(entered)
            return None

        await until_equal(found, [(1, len(days), 0)])
        assert await ingestor.metric('wattline_ingestor_retries_total{error="OutOfMemoryError"}') >= 1
        await asked.value("ALTER SYSTEM RESET ALL")
    # counting them takes as many locks
    await own_database.server.restart()
    async with table(own_database) as asked:
        assert await asked.readings() == len(days)
