"""Partitions, drives, retention and compression, on real databases."""

import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.process import own
from ingestor.upkeep.store import prune_profile_days
from store.migrate import migrate
from store.rollups import refresh, retain
from store.settings import SettingError
from tests.rigs.ingesting import table
from tests.rigs.rollups import store_of
from tests.rigs.servers import Database

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
    async with table(Database(own_postgres, "wattline")) as asked:
        for name in ("one", "two"):
            folder = own_postgres.folder.with_name(f"{own_postgres.folder.name}-{name}")
            folder.mkdir()
            own(folder)
            await asked.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'")
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


OLD_HOURS = (
    "INSERT INTO reading SELECT t, extract(epoch FROM t), s, 0 FROM generate_series(date_trunc('day', now(), 'UTC')"
    " - interval '{days} days', now() - interval '1 hour', '30 minutes') t, generate_series(1, 2) s"
)
LATE = (
    "INSERT INTO reading SELECT date_bin('1 hour', now() - interval '{age}', '2000-01-01Z') + interval '7 min',"
    " {value}, 1, 0"
)
REACHED = "SELECT count(*) FROM rollup_{step} WHERE max_value = {value}"


async def test_late_readings_as_old_as_any_are_kept(each_edition: Database) -> None:
    """They reach all levels up to the last hour of retention; older ones replace nothing, whatever it becomes."""
    await migrate(each_edition.dsn(), settings={"keep_readings": "30d", "zone": "Europe/Warsaw"})
    async with store_of(each_edition) as store:
        await store.execute(OLD_HOURS.format(days=40))
        await store.roll_up()
        assert (await retain(store.connection))["reading"] >= 9
        await store.execute("INSERT INTO profile_day SELECT 1, current_date - n FROM generate_series(29, 33) n")
        await store.execute("SET ROLE wattline_ingestor")
        await prune_profile_days(store.connection)
        await store.execute("RESET ROLE")
        assert await store.value("SELECT max(current_date - day) FROM profile_day") in (30, 31)
        for age, value in (("29 days 1 hour", 9e9), ("29 days 12 hours", 8e9), ("29 days 22 hours", 7e9)):
            await store.execute(LATE.format(age=age, value=value))
            await store.roll_up()
            for step in ("15m", "1h"):
                assert await store.value(REACHED.format(step=step, value=value)) == 1, (age, step)
        for step in ("1d", "1mo"):
            assert await store.value(REACHED.format(step=step, value=9e9)) == 1, step
        before = await store.rolled_up()
        await store.execute(LATE.format(age="35 days", value=1e12))
        await store.roll_up()
        assert await store.rolled_up() == before
    await migrate(each_edition.dsn(), settings={"keep_readings": "3650d"})
    async with store_of(each_edition) as store:
        await store.execute(LATE.format(age="36 days", value=1e12))
        await store.roll_up()
        assert await store.rolled_up() == before
        if store.edition == "apache":
            await store.execute("UPDATE rollup_state SET shown_until = now() - interval '38 days'")
            await store.roll_up()
            assert await store.rolled_up() == before


async def test_late_readings_older_than_quarter_hours(each_edition: Database) -> None:
    """Where quarter-hours are gone and readings are not, a late reading does not replace its day by what is left."""
    await migrate(each_edition.dsn(), settings={"keep_rollup_15m": "93d"})
    async with store_of(each_edition) as store:
        await store.execute(OLD_HOURS.format(days=130))
        await store.roll_up()
        level = "rolled_15m" if store.edition == "apache" else "agg_15m"
        assert (await retain(store.connection))[level] >= 1
        before = await store.rolled_up()
        await store.execute(LATE.format(age="125 days", value=1e12))
        await store.roll_up()
        await retain(store.connection)
        await store.roll_up()
        assert await store.rolled_up() == before
    await migrate(each_edition.dsn(), settings={"zone": "Asia/Kathmandu"})
    async with store_of(each_edition) as store:
        for _ in range(2):
            days = await store.rows("SELECT sum(readings), count(*) FROM rollup_1d WHERE series_id = 1")
            assert days[0][0] >= sum(row[9] for row in before["1d"] if row[1] == 1) - 48, "at most a day is lost"
            assert 129 <= days[0][1] <= 132
            months = await store.value("SELECT sum(readings) FROM rollup_1mo WHERE series_id = 1")
            assert months >= days[0][0] - 48
            await store.roll_up()


async def test_nothing_is_dropped_before_it_is_rolled_up(each_edition: Database) -> None:
    """Retention leaves readings that no round has rolled up, and takes them after the next round."""
    await migrate(each_edition.dsn(), settings={"keep_readings": "14d"})
    async with store_of(each_edition) as store:
        await store.execute(OLD_HOURS.format(days=20))
        assert await retain(store.connection) == {}
        await store.roll_up()
        before = await store.rolled_up()
        assert await retain(store.connection) == {"reading": 6}
        await store.roll_up()
        assert await store.rolled_up() == before


@pytest.mark.smoke
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


async def test_jobs_follow_the_settings(community: Database) -> None:
    """Compression is a job of TimescaleDB's with the age of the setting; roll-ups and retention no longer are."""
    async with store_of(community) as store:
        for level in ("agg_15m", "agg_1h", "agg_1d_utc", "agg_1mo_utc"):
            policy = "start_offset => NULL, end_offset => INTERVAL '1 min', schedule_interval => INTERVAL '1 min'"
            await store.execute(f"SELECT add_continuous_aggregate_policy('{level}', {policy})")
        await store.execute("SELECT add_retention_policy('reading', drop_after => INTERVAL '3650 days')")
        await store.execute("SELECT add_retention_policy('agg_15m', drop_after => INTERVAL '93 days')")
    await migrate(community.dsn(), settings={"keep_readings": "400d", "compress_after": "20d"})
    async with store_of(community) as store:
        rows = await store.rows(
            "SELECT hypertable_name::text, proc_name::text, config ->> 'compress_after'"
            " FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY 1, 2"
        )
        assert rows == [("message", "policy_compression", "20 days"), ("reading", "policy_compression", "20 days")]
