"""Partitions, drives, retention, compression and the change of edition, on real databases."""

import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.process import own
from store.edition import rendered
from store.migrate import migrate
from store.rollups import refresh, retain
from store.settings import SettingError, StoreSettings
from tests.integration.rollup_rig import METERS, store_of
from tests.servers import Database

DAYS = (
    "INSERT INTO reading SELECT t, extract(epoch FROM t), s, 0"
    " FROM generate_series('{since}'::timestamptz, '{until}', '1 hour') t, generate_series(1, 40) s"
)
CHUNKS = "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'"


async def test_partitions_by_hash(each_edition: Database) -> None:
    """A day's readings lie in so many chunks by series; the number may change later, the first time only when empty."""
    assert "readings in 4 parts by series" in await migrate(each_edition.dsn(), settings={"hash_partitions": "4"})
    async with store_of(each_edition) as store:
        await store.execute(DAYS.format(since="2026-03-01Z", until="2026-03-01T23:00Z"))
        assert await store.value(CHUNKS) == 4
        assert await store.value("SELECT count(*) FROM rollup_1d") == 40
    await migrate(each_edition.dsn(), settings={"hash_partitions": "2"})
    async with store_of(each_edition) as store:
        await store.execute(DAYS.format(since="2026-03-05Z", until="2026-03-05T23:00Z"))
        assert await store.value(CHUNKS) == 6
        await store.roll_up()
        assert await store.value("SELECT count(*) FROM rollup_1d") == 80


async def test_partitions_come_too_late(database: Database) -> None:
    """With readings in the table the setting is refused by name, and nothing is changed."""
    async with store_of(database) as store:
        await store.execute(DAYS.format(since="2026-03-01Z", until="2026-03-01Z"))
    with pytest.raises(SettingError, match=r"hash-partitions.*before the first reading"):
        await migrate(database.dsn(), settings={"hash_partitions": "4", "zone": "Asia/Kolkata"})
    async with store_of(database) as store:
        assert await store.value("SELECT store_zone()") == "UTC"


async def test_several_drives(own_postgres: PostgresServer) -> None:
    """Chunks are spread over the tablespaces of the setting, and over none once it is taken back."""
    dsn = own_postgres.dsn("wattline")
    with pytest.raises(SettingError, match="CREATE TABLESPACE one LOCATION"):
        await migrate(dsn, settings={"tablespaces": "one,two"})
    async with store_of(Database(own_postgres, "wattline")) as store:
        for name in ("one", "two"):
            folder = own_postgres.folder.with_name(f"{own_postgres.folder.name}-{name}")
            folder.mkdir()
            own(folder)
            await store.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'")
    await migrate(dsn, settings={"tablespaces": "one,two"})
    async with store_of(Database(own_postgres, "wattline")) as store:
        places = "SELECT DISTINCT chunk_tablespace::text FROM timescaledb_information.chunks ORDER BY 1"
        await store.execute(DAYS.format(since="2026-03-01Z", until="2026-03-04Z"))
        assert await store.rows(places) == [("one",), ("two",)]
    assert await migrate(dsn) == []
    done = await migrate(dsn, settings={"tablespaces": "none"})
    assert done[:2] == ["tablespaces = none", "new chunks of readings go to the default tablespace"]
    async with store_of(Database(own_postgres, "wattline")) as store:
        await store.execute(DAYS.format(since="2026-03-11Z", until="2026-03-11Z"))
        assert (None,) in await store.rows(places)


async def test_retention_keeps_the_roll_ups(database: Database) -> None:
    """Old readings go once they are rolled up, not before; later ones of the same day do not replace the roll-up."""
    done = await migrate(database.dsn(), settings={"keep_readings": "30d", "compress_after": "8d"})
    assert "keep_readings = 30d" in done
    assert any(line.startswith("compress_after = 8d (saved without effect: TimescaleDB Apache") for line in done)
    async with store_of(database) as store:
        await store.execute(DAYS.format(since="2026-03-01Z", until="2026-03-02T23:00Z"))
        assert await retain(store.connection) == {}
        await refresh(store.connection)
        assert await retain(store.connection) == {"reading": 2}
        assert await store.readings() == 0
        await store.add(1, ("2026-03-01T12:00Z", 1.0))
        await refresh(store.connection)
        assert await store.rows("SELECT readings FROM rollup_1d WHERE series_id = 1") == [(24,), (24,)]
        assert await store.value("SELECT count(*) FROM rollup_late") == 0


async def test_repeats_and_late_readings_into_compressed_chunks(community: Database) -> None:
    """A repeat changes nothing in a compressed chunk, and what is new there shows up in the roll-ups."""
    async with store_of(community) as store:
        await store.execute(DAYS.format(since="2026-03-01Z", until="2026-03-03T23:00Z"))
        await store.roll_up()
        job = await store.value(
            "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_compression'"
            " AND hypertable_name = 'reading'"
        )
        await store.execute(f"CALL run_job({job})")
        size = "SELECT chunks, compressed_chunks, bytes_after_compression > 0 FROM store_size WHERE name = 'reading'"
        assert await store.rows(size) == [(3, 3, True)]
        await store.add(1, ("2026-03-01T00:00Z", -5.0), ("2026-03-02T12:30Z", 9e9))
        assert await store.value("SELECT min(value) FROM reading") > 0
        assert await store.readings() == 40 * 72 + 1
        await store.roll_up()
        for step, readings in (("15m", 1), ("1h", 2), ("1d", 25), ("1mo", 73)):
            rows = await store.rows(
                f"SELECT max(max_value), max(readings) FROM rollup_{step}"  # noqa: S608 - the test's own text
                " WHERE series_id = 1 AND last_at >= '2026-03-02T12:30Z' AND first_at <= '2026-03-02T12:30Z'"
            )
            assert rows == [(9e9, readings)], step


async def test_from_apache_to_community(community: Database) -> None:
    """What the Apache edition made goes, but its roll-ups stay where their readings are gone."""
    async with store_of(community) as store:
        for sql in rendered("apache", StoreSettings()).values():
            await store.execute(sql)
        for name in ("agg_1mo_utc", "agg_1d_utc", "agg_1h", "agg_15m"):
            await store.execute(f"DROP MATERIALIZED VIEW {name}")
        await store.execute(METERS)
        await store.execute(DAYS.format(since="2026-03-01Z", until="2026-03-02T23:00Z"))
        await refresh(store.connection)
        await store.execute("SELECT drop_chunks('reading', older_than => '2026-03-02Z'::timestamptz)")
        await store.execute("DELETE FROM installation WHERE name = 'edition_sql'")
    assert await migrate(community.dsn()) == ["features of TimescaleDB Community"]
    async with store_of(community) as store:
        assert await store.value("SELECT to_regclass('rolled_15m') IS NULL AND to_regclass('rollup_late') IS NULL")
        for _ in range(2):
            await store.roll_up()
            for step, rows in (("15m", 48), ("1h", 48), ("1d", 2), ("1mo", 1)):
                count = f"SELECT count(*), sum(readings) FROM rollup_{step} WHERE series_id = 1"  # noqa: S608 - the test's own text
                assert await store.rows(count) == [(rows, 48)], step
            await store.execute("INSERT INTO reading VALUES ('2026-03-02T23:30Z', 1, 2, 0) ON CONFLICT DO NOTHING")
    assert await migrate(community.dsn()) == []


async def test_policies_follow_the_settings(community: Database) -> None:
    """Retention and compression are policies with the ages of the settings."""
    await migrate(
        community.dsn(), settings={"keep_readings": "400d", "keep_events": "forever", "compress_after": "20d"}
    )
    async with store_of(community) as store:
        rows = await store.rows(
            "SELECT hypertable_name::text, proc_name::text,"
            " coalesce(config ->> 'drop_after', config ->> 'compress_after')"
            " FROM timescaledb_information.jobs WHERE hypertable_name IN ('reading', 'event') ORDER BY 1, 2"
        )
        assert rows == [("reading", "policy_compression", "20 days"), ("reading", "policy_retention", "400 days")]
