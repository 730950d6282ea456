"""What the tables, views and rights hold, in a migrated database."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from broker.errors import PermanentError
from deploy.local.postgres import PostgresServer
from store.errors import DATABASE_ERRORS
from store.pool import open_pool
from tests.rigs.gateway import connection
from tests.rigs.ingesting import Table, table
from tests.rigs.servers import Database
from tests.rigs.waiting import until_equal

FILL = """
INSERT INTO device (name, online) VALUES ('pi-1', true);
INSERT INTO meter (key, device_id, spec) SELECT 'TST:' || n, 1, 'test@1' FROM generate_series(1, 500) n;
INSERT INTO series (meter_id, obis, unit, kind)
    SELECT m.id, o.obis, o.unit, o.kind FROM meter m, (VALUES ('1-0:1.8.0', 'kWh', 'register'),
        ('1-0:1.7.0', 'kW', 'instantaneous'), ('1-0:2.7.0', 'kW', 'instantaneous')) o (obis, unit, kind);
INSERT INTO reading SELECT '2026-11-20T00:00:00Z'::timestamptz + d * interval '1 day', s.id + d, s.id, 0
    FROM series s, generate_series(0, 3) d;
"""


async def test_latest_reading_uses_the_index(database: Database) -> None:
    """The newest value of each series is found by a descent of the index, not by sorting the readings."""
    async with table(database) as asked:
        await asked.execute(FILL)
        rows = await asked.rows("SELECT value - series_id, count(*) FROM latest_reading GROUP BY 1")
        assert rows == [(3.0, 1500)]
        plan = "\n".join(row[0] for row in await asked.rows("EXPLAIN SELECT * FROM latest_reading"))
        assert "reading_series_id_time" in plan
        assert "Seq Scan on _hyper" not in plan
        meter = await asked.rows(
            "SELECT device, power_kw, import_kwh, series FROM meter_overview WHERE meter = 'TST:1'"
        )
        assert meter == [("pi-1", -1.0, 4.0, 3)]
        assert await asked.rows("SELECT meters FROM device_overview") == [(500,)]


async def test_payloads_of_a_source_that_sends_no_more_are_found_at_once(database: Database) -> None:
    """The newest of them by their own index, and not by reading all that others have sent since."""
    listed = (Path(__file__).parents[2] / "gateway/sources/queries/list_payloads.sql").read_text()
    async with connection(database) as opened:
        await opened.execute(
            "INSERT INTO payload (source, key, body, state)"
            " SELECT CASE WHEN n <= 4000 THEN 'old' ELSE 'busy' || n % 5 END, n, 'x', 'mapped'"
            " FROM generate_series(1, 20000) n; ANALYZE payload;"
        )
        await opened.execute(f"PREPARE listed (text, text, bigint, integer) AS {listed}")
        plan = await opened.fetch("EXPLAIN EXECUTE listed('old', NULL, 9007199254740992, 50)")
        unmapped = await opened.fetch("EXPLAIN EXECUTE listed('old', 'unmapped', 9007199254740992, 50)")
    assert "Backward using payload_source on payload" in "\n".join(row[0] for row in plan), plan
    assert "using payload_unmapped on payload" in "\n".join(row[0] for row in unmapped), unmapped


ONE_CHANNEL = """
INSERT INTO device (name) VALUES ('pi-1');
INSERT INTO meter (key, device_id, spec) VALUES ('KAM:1', 1, 'kamstrup-han@1'), ('TST:2', 1, 'test@1');
INSERT INTO series (meter_id, obis, unit, kind) VALUES
    (1, '1-1:1.8.0', 'kWh', 'register'), (1, '1-1:2.8.0', 'kWh', 'register'),
    (1, '1-1:1.7.0', 'kW', 'instantaneous'), (1, '1-1:2.7.0', 'kW', 'instantaneous'),
    (2, '1-0:1.8.0', 'kWh', 'register'), (2, '1-1:1.8.0', 'kWh', 'register'), (2, '1-1:2.8.0', 'kWh', 'register');
INSERT INTO reading SELECT '2026-11-20T00:00:00Z', s.id * 10, s.id, 0 FROM series s;
"""


async def test_a_meter_that_calls_its_only_channel_one_is_in_the_overview(database: Database) -> None:
    """Its registers and its power; of one that has both the channel 0 counts, and nothing counts twice."""
    async with table(database) as asked:
        await asked.execute(ONE_CHANNEL)
        overview = "SELECT meter, import_kwh, export_kwh, power_kw, series FROM meter_overview ORDER BY meter"
        assert await asked.rows(overview) == [("KAM:1", 10.0, 20.0, -10.0, 4), ("TST:2", 50.0, 70.0, None, 3)]
        counted = "SELECT meter, obis, direction FROM energy_series WHERE counts ORDER BY meter, obis"
        assert await asked.rows(counted) == [
            ("KAM:1", "1-1:1.8.0", "import"), ("KAM:1", "1-1:2.8.0", "export"),
            ("TST:2", "1-0:1.8.0", "import"), ("TST:2", "1-1:2.8.0", "export"),
        ]  # fmt: skip


async def test_gaps_of_the_ledger(database: Database) -> None:
    """Lost, repeated and late messages are counted for each boot, also within a range of receive times."""
    async with table(database) as asked:
        await asked.execute("INSERT INTO device (name) VALUES ('pi-1')")
        order = ("aaaa", [2, 3, 3, 7, 5, 5, 8]), ("bbbb", [1, 2])
        for boot, numbers in order:
            for second, seq in enumerate(numbers):
                await asked.execute(
                    "INSERT INTO message (received_at, seq, device_id, rows, kind, boot) "  # noqa: S608 - the test's own text
                    f"VALUES ('2026-11-23T10:00:0{second}Z', {seq}, 1, 4, 1, '{boot}')"
                )
        columns = "boot, messages, rows, lost, repeated, late, first_seq, last_seq"
        assert await asked.rows(f"SELECT {columns} FROM message_gap ORDER BY boot") == [  # noqa: S608 - the test's own text
            ("aaaa", 5, 20, 2, 2, 1, 2, 8),
            ("bbbb", 2, 8, 0, 0, 0, 1, 2),
        ]
        early = "message_gap_between('-infinity', '2026-11-23T10:00:03Z')"
        assert await asked.rows(f"SELECT {columns} FROM {early} WHERE boot = 'aaaa'") == [("aaaa", 2, 8, 0, 1, 0, 2, 3)]  # noqa: S608 - the test's own text


async def test_a_published_spec_is_immutable(database: Database) -> None:
    """Neither change nor removal of a spec is let through, not even for the owner."""
    async with table(database) as asked:
        await asked.execute("INSERT INTO spec (name, version, document, source, sha256) VALUES ('a', 1, '{}', '', '')")
        for change in ("UPDATE spec SET author = 'x'", "DELETE FROM spec"):
            with pytest.raises(asyncpg.RestrictViolationError, match="publish version 2"):
                await asked.execute(change)


FORBIDDEN = [
    ("wattline_ingestor", "DELETE FROM reading"),
    ("wattline_ingestor", "UPDATE reading SET value = 0"),
    ("wattline_ingestor", "UPDATE device SET name = 'x'"),
    ("wattline_ingestor", "SELECT * FROM parameter_document"),
    ("wattline_ingestor", "INSERT INTO spec (name, version, document, source, sha256) VALUES ('a', 1, '{}', '', '')"),
    ("wattline_ingestor", "UPDATE job_schedule SET cron = '* * * * *'"),
    ("wattline_ingestor", "DELETE FROM job"),
    ("wattline_ingestor", "SELECT author FROM desired"),
    ("wattline_gateway", "DELETE FROM pgqueuer"),
    ("wattline_grafana", "SELECT * FROM pgqueuer"),
    ("wattline_gateway", "INSERT INTO reading VALUES (now(), 1, 1, 0)"),
    ("wattline_gateway", "DELETE FROM device"),
    ("wattline_gateway", "UPDATE desired_history SET author = 'x'"),
    ("wattline_ingestor", "SELECT author FROM software_desired"),
    ("wattline_gateway", "UPDATE software_history SET state = 'x'"),
    ("wattline_grafana", "SELECT document FROM software_desired"),
    ("wattline_grafana", "SELECT data FROM frame"),
    ("wattline_grafana", "SELECT * FROM parameter_document"),
    ("wattline_grafana", "INSERT INTO device (name) VALUES ('x')"),
]


@pytest.mark.parametrize(("role", "statement"), FORBIDDEN)
async def test_roles_may_no_more_than_they_need(database: Database, role: str, statement: str) -> None:
    """Each service's role is refused what is not its job."""
    connection = await asyncpg.connect(database.dsn(role))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_grafana_reads_every_view(database: Database) -> None:
    """Grafana's role reads all views, and through them only."""
    connection = await asyncpg.connect(database.dsn("wattline_grafana"))
    try:
        asked = Table(connection)
        views = await asked.rows("SELECT table_name::text FROM information_schema.views WHERE table_schema = 'public'")
        assert {name for (name,) in views} >= {"latest_reading", "message_gap", "named_reading", "quarantine"}
        for (name,) in views:
            await asked.rows(f"SELECT * FROM {name} LIMIT 1")  # noqa: S608 - the test's own text
    finally:
        await connection.close()


async def test_pool_waits_for_the_database(own_postgres: PostgresServer) -> None:
    """A pool opened before its database comes up once it is there; a wrong database name is told at once."""
    await own_postgres.stop()

    async def ask() -> int:
        async with open_pool(own_postgres.dsn("wattline"), min_size=1, max_size=1, application_name="test") as pool:
            return int(await pool.fetchval("SELECT 17"))

    async with asyncio.TaskGroup() as group:
        asking = group.create_task(ask(), name="test.ask")
        await own_postgres.start()
        assert await asyncio.wait_for(asking, 30) == 17
    with pytest.raises(PermanentError, match="nowhere"):
        async with open_pool(own_postgres.dsn("nowhere"), min_size=1, max_size=1, application_name="test"):
            pass


async def test_pool_outlives_a_restart(own_postgres: PostgresServer) -> None:
    """After the database was killed and recovered the same pool serves again."""
    async with open_pool(own_postgres.dsn("wattline"), min_size=1, max_size=2, application_name="test") as pool:
        await own_postgres.kill()
        await own_postgres.start()

        async def answer() -> object:
            try:
                return await pool.fetchval("SELECT 17")
            except DATABASE_ERRORS as error:
                return error

        await until_equal(answer, 17)


async def test_no_view_stands_in_the_way_of_an_update(each_edition: Database) -> None:
    """TimescaleDB's updates drop its information views and make them anew; a view of ours on one would forbid that."""
    async with table(each_edition) as asked:
        found = await asked.rows(
            "SELECT DISTINCT r.ev_class::regclass::text FROM pg_depend d"
            " JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid"
            " JOIN pg_class on_it ON d.refclassid = 'pg_class'::regclass AND on_it.oid = d.refobjid"
            " JOIN pg_class c ON c.oid = r.ev_class AND c.relnamespace = 'public'::regnamespace"
            " WHERE on_it.relnamespace = 'timescaledb_information'::regnamespace"
        )
        assert found == []
