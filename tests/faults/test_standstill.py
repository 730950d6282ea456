"""A client of the database that vanishes in mid COPY with its locks, and an upkeep whose holder is gone."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest

from ingestor import health as health_module
from ingestor.batches.rows import HEADER, READING_COLUMNS
from ingestor.upkeep import lease as lease_module
from ingestor.upkeep import standstill as standstill_module
from store.errors import DATABASE_ERRORS
from store.keepalive import watch_peer
from store.pool import open_pool
from tests.rigs.ingesting import device, ingesting, settings, table
from tests.rigs.proxy import TcpProxy
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until_equal


@contextlib.asynccontextmanager
async def vanished(database: Database, statement: str) -> AsyncIterator[TcpProxy]:
    """An ingestor's session in mid COPY, which has done a statement and whose link is dead: nobody closes anything."""
    server = database.server
    async with TcpProxy(server.host, server.port) as proxy:
        dsn = database.dsn("wattline_ingestor").replace(f":{server.port}/", f":{proxy.port}/")
        gone = await asyncpg.connect(dsn, server_settings={"application_name": "ingestor-gone"})

        async def stream() -> AsyncIterator[bytes]:
            yield HEADER
            await asyncio.Event().wait()

        async def copy() -> None:
            with contextlib.suppress(*DATABASE_ERRORS):
                async with gone.transaction():
                    await gone.execute(statement)
                    await gone.copy_to_table("reading", source=stream(), columns=READING_COLUMNS, format="binary")

        task = asyncio.create_task(copy(), name="test.copy")
        try:
            async with table(database) as asked:
                there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'COPY%'"
                await until_equal(lambda: asked.value(there, "ingestor-gone"), 1)
            proxy.stall()
            yield proxy
        finally:
            task.cancel()
            await proxy.cut()
            await asyncio.wait({task})
            gone.terminate()


async def test_a_writer_that_vanished_in_mid_copy_stops_nobody_for_long(
    broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever needs its rows waits for them visibly: /healthz says who blocks; the silent session is then ended."""
    monkeypatch.setattr(health_module, "EVERY_S", 0.2)
    monkeypatch.setattr(health_module, "STUCK_S", 1.0)
    monkeypatch.setattr(standstill_module, "OBSERVE_AFTER_S", 0.5)
    monkeypatch.setattr(standstill_module, "SILENT_S", 1e9)
    of = settings(broker, database.dsn("wattline_ingestor"))
    async with table(database) as asked, ingesting(of) as ingestor, device(broker) as pi:
        await pi.readings(1)
        await until_equal(asked.readings, 3)
        taken = pi.payload()
        at = json.loads(taken)["samples"][0]["at"]
        held = f"INSERT INTO reading SELECT '{at}', 7, id, 0 FROM series"  # noqa: S608 - the test's own text
        async with vanished(database, held):
            await pi.send_all([taken])

            async def told() -> bool:
                status, document = await ingestor.health()
                return status == 503 and "ingestor-gone" in document["checks"]["writing"]["detail"]

            await until_equal(told, wanted=True)
            _, document = await ingestor.health()
            assert "COPY reading" in document["checks"]["writing"]["detail"]
            assert await ingestor.metric("wattline_ingestor_blocked_sessions") >= 1
            assert await asked.value("SELECT bool_and(waited_s < 60) FROM store_block WHERE blocking = 'ingestor-gone'")
            monkeypatch.setattr(standstill_module, "SILENT_S", 1.0)
            await until_equal(asked.readings, 6)

        async def well() -> int:
            return (await ingestor.health())[0]

        await until_equal(well, 200)
        assert await ingestor.metric("wattline_ingestor_silent_sessions_ended_total") == 1
        assert await asked.value("SELECT count(*) FROM message WHERE seq = 2") == 1
        assert await asked.value("SELECT count(*) FROM reading WHERE value = 7") == 0


async def test_a_vanished_writer_that_blocks_nobody_does_not_stop_the_rollups(
    broker: Broker, database: Database
) -> None:
    """They wait for all that began before: its session is ended once its client must have given up."""
    of = settings(broker, database.dsn("wattline_ingestor"), upkeep_every_s=0.1, database_timeout_s=1)
    async with table(database) as asked, device(broker) as pi, vanished(database, "SELECT pg_current_xact_id()"):
        silent = "SELECT now() - query_start > interval '2.1 s' FROM pg_stat_activity WHERE application_name = $1"
        await until_equal(lambda: asked.value(silent, "ingestor-gone"), wanted=True)
        async with ingesting(of):
            await pi.readings(5)
            await until_equal(lambda: asked.value("SELECT sum(readings)::int FROM rolled_15m"), 15)


async def test_statuses_lock_nothing_while_a_copy_lasts(broker: Broker, database: Database) -> None:
    """An ingestor that vanishes while it stores readings holds no device's row: others go on with statuses at once."""
    of = settings(broker, database.dsn("wattline_ingestor"))
    async with table(database) as asked, ingesting(of), device(broker) as pi:
        await pi.readings(1)
        await until_equal(asked.readings, 3)
        async with vanished(database, "SELECT 1"):
            await pi.readings(3)
            await until_equal(asked.readings, 12)
            kept = await asked.value(
                "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                " WHERE a.application_name = 'ingestor-gone' AND l.relation = 'device'::regclass"
            )
            assert kept == 0


async def test_both_ends_of_a_connection_are_watched(database: Database) -> None:
    """Client and server give up one another within half a minute, and no statement waits for a lock for ever."""
    dsn = database.dsn("wattline_ingestor")
    async with open_pool(dsn, min_size=1, max_size=1, application_name="t") as pool, pool.acquire() as connection:
        names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
        asked = "SELECT setting::int FROM pg_settings WHERE name = $1"
        assert [await connection.fetchval(asked, name) for name in names] == [10, 5, 3, 25_000]
        assert await connection.fetchval("SHOW lock_timeout") == "10s"
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as own:
            end = SimpleNamespace(_transport=SimpleNamespace(get_extra_info=lambda _: own))
            await watch_peer(cast("Any", end))
            options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
            assert own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert [own.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [10, 5, 3, 25_000]


async def test_the_upkeep_goes_on_where_its_holder_is_gone(
    broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its link dead, its connection open: the lease ends, and another ingestor rolls up."""
    monkeypatch.setattr(lease_module, "LEASE_S", 1.5)
    monkeypatch.setattr(lease_module, "RENEW_S", 0.2)
    monkeypatch.setattr(lease_module, "SPARE_S", 0.3)
    holds = "wattline_ingestor_holds_upkeep"
    server = database.server
    async with TcpProxy(server.host, server.port) as proxy, table(database) as asked, device(broker) as pi:
        dsn = database.dsn("wattline_ingestor")
        behind = dsn.replace(f":{server.port}/", f":{proxy.port}/")
        monkeypatch.setattr(health_module, "EVERY_S", 0.2)
        gone_of = settings(broker, behind, upkeep_every_s=0.1, stop_deadline_s=0.2, database_timeout_s=2)
        async with ingesting(gone_of) as gone:
            await until_equal(lambda: gone.metric(holds), 1.0)
            async with ingesting(settings(broker, dsn, upkeep_every_s=0.1)) as left:
                proxy.stall()
                await pi.readings(5)
                await until_equal(lambda: left.metric(holds), 1.0)
                await until_equal(lambda: gone.metric(holds), 0.0)
                await until_equal(lambda: asked.value("SELECT sum(readings)::int FROM rolled_15m"), 15)


async def test_each_ingestor_tells_how_far_the_upkeep_is_behind(
    broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that never did any, and /healthz says so where nobody does it."""
    monkeypatch.setattr(health_module, "EVERY_S", 0.1)
    monkeypatch.setattr(health_module, "UPKEEP_S", 0.1)
    async with table(database) as asked, device(broker) as pi:
        await asked.execute("UPDATE upkeep_lease SET holder = 'gone', expires_at = 'infinity'")
        async with ingesting(settings(broker, database.dsn("wattline_ingestor"), upkeep_every_s=3600)) as ingestor:
            await pi.readings(1)

            async def lags() -> bool:
                rolled = await ingestor.metric("wattline_ingestor_rollup_behind_seconds")
                return rolled > 3600 and await ingestor.metric("wattline_ingestor_ledger_behind_seconds") > 0

            await until_equal(lags, wanted=True)
            assert (await ingestor.health())[0] == 200
            away = "now() - interval '90 s'"
            await asked.execute(f"UPDATE upkeep_lease SET expires_at = {away}, made_at = {away}")  # noqa: S608 - the test's own text

            async def told() -> bool:
                status, document = await ingestor.health()
                return status == 503 and "nobody has" in document["checks"]["upkeep"]["detail"]

            await until_equal(told, wanted=True)


async def test_an_upkeep_of_which_nothing_is_known_is_not_well(
    broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gauges that nobody brings up to date stand still: /healthz says why, and for how long."""
    monkeypatch.setattr(health_module, "EVERY_S", 0.1)
    monkeypatch.setattr(health_module, "UPKEEP_S", 0.1)
    monkeypatch.setattr(health_module, "UNHELD_S", 0.5)
    async with table(database) as asked:
        await asked.execute("REVOKE SELECT ON upkeep_standing FROM wattline_ingestor")
        of = settings(broker, database.dsn("wattline_ingestor"), upkeep_every_s=3600)
        async with ingesting(of) as ingestor:

            async def upkeep(part: str) -> bool:
                status, document = await ingestor.health()
                found = document["checks"].get("upkeep", {})
                return part in found.get("detail", "") and found["ok"] == (status == 200)

            await until_equal(lambda: upkeep("permission denied"), wanted=True)
            await asked.execute("GRANT SELECT ON upkeep_standing TO wattline_ingestor")
            await until_equal(lambda: upkeep("done by this ingestor"), wanted=True)
