"""Roll-ups of both editions: local days and months, late readings, and the same answer however they are made."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from store.migrate import migrate
from store.rollups import STEPS
from tests.rigs.rollups import COLUMNS, Store, store_of
from tests.rigs.servers import Database

FILL = (
    "INSERT INTO reading SELECT t, extract(epoch FROM t - '2026-03-01Z'::timestamptz) / 3600, s, 0"
    " FROM generate_series('{since}'::timestamptz, '{until}', '{every}') t, generate_series(1, 2) s"
)

EXPECTED = """
SELECT {bucket}, series_id, (array_agg(value ORDER BY time))[1], min(time), (array_agg(value ORDER BY time DESC))[1],
       max(time), min(value), max(value), avg(value), count(*)
FROM reading GROUP BY 1, 2 ORDER BY 1, 2
"""
BUCKETS = {
    "15m": "date_bin('15 min', time, '2000-01-01Z')",
    "1h": "date_bin('1 hour', time, '2000-01-01Z')",
    "1d": "date_trunc('day', time, store_zone())",
    "1mo": "date_trunc('month', time, store_zone())",
}


async def assert_right(store: Store, zone: str) -> None:
    """Each roll-up is what PostgreSQL makes of the readings directly."""
    assert await store.value("SELECT store_zone()") == zone
    for step in STEPS:
        found = await store.rows(f"SELECT {COLUMNS} FROM rollup_{step} ORDER BY bucket, series_id")  # noqa: S608 - the test's own text
        wanted = await store.rows(EXPECTED.format(bucket=BUCKETS[step]))
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert one[:8] + one[9:] == other[:8] + other[9:], step
            assert one[8] == pytest.approx(other[8])


@pytest.mark.parametrize(
    ("zone", "first", "quarters"),
    [
        ("Europe/Warsaw", "2026-03-28", [96, 92, 96]),
        ("Europe/Warsaw", "2026-10-24", [96, 100, 96]),
        ("Asia/Kolkata", "2026-03-28", [96, 96, 96]),
        ("Australia/Lord_Howe", "2026-04-04", [96, 98, 96]),
    ],
)
async def test_local_days(each_edition: Database, zone: str, first: str, quarters: list[int]) -> None:
    """Days begin at local midnight and have as many quarter-hours as they do, before and after they are rolled up."""
    await migrate(each_edition.dsn(), settings={"zone": zone})
    start = datetime.fromisoformat(first).replace(tzinfo=ZoneInfo(zone))
    midnights = [start + timedelta(days=day) for day in range(4)]
    async with store_of(each_edition) as store:
        until = midnights[3].astimezone(UTC) - timedelta(minutes=15)
        await store.execute(FILL.format(since=start.astimezone(UTC), until=until, every="15 min"))
        for _ in range(2):
            days = await store.rows("SELECT bucket, readings FROM rollup_1d WHERE series_id = 1 ORDER BY 1")
            assert days == [(at.astimezone(UTC), n) for at, n in zip(midnights, quarters, strict=False)]
            await assert_right(store, zone)
            await store.roll_up()


async def test_late_readings_appear(each_edition: Database) -> None:
    """Readings months late, before and after what a bucket had, are in all four roll-ups after the next refresh."""
    await migrate(each_edition.dsn(), settings={"zone": "Europe/Warsaw"})
    async with store_of(each_edition) as store:
        await store.execute(FILL.format(since="2026-03-01Z", until="2026-06-02Z", every="6 hours"))
        await store.roll_up()
        await assert_right(store, "Europe/Warsaw")
        await store.add(
            1, ("2026-03-01T00:00:01Z", -7.0), ("2026-04-30T21:59:59Z", 99999.0), ("2026-04-30T22:00Z", 1e6)
        )
        await store.add(9, ("2026-05-05T05:05:05Z", 5.0))
        await store.roll_up()
        await assert_right(store, "Europe/Warsaw")
        assert (
            await store.value("SELECT max_value FROM rollup_1mo WHERE series_id = 1 AND bucket = '2026-03-31 22:00Z'")
            == 99999
        )


async def test_means_are_no_dust(each_edition: Database) -> None:
    """The mean has three decimals more than the values, and is that value where all are the same, at each step."""
    async with store_of(each_edition) as store:
        await store.execute(
            "INSERT INTO reading SELECT t, CASE s WHEN 1 THEN 6708.8 ELSE extract(second FROM t) / 30 END, s, 0 FROM"
            " generate_series('2026-03-01Z'::timestamptz, '2026-03-02 23:59:50Z', '10 s') t, generate_series(1, 2) s"
        )
        for _ in range(2):
            for step in STEPS:
                rows = await store.rows(f"SELECT series_id, mean_value, decimals FROM rollup_{step}")  # noqa: S608 - the test's own text
                assert {row[1] for row in rows if row[0] == 1} == {6708.8}, step
                assert {round(row[1], row[2] + 3) == row[1] for row in rows} == {True}, step
            await store.roll_up()


async def test_a_changed_zone_makes_days_anew(each_edition: Database) -> None:
    """Days and months that are rolled up already follow a new zone."""
    async with store_of(each_edition) as store:
        await store.execute(FILL.format(since="2026-03-19Z", until="2026-04-20Z", every="1 hour"))
        await store.roll_up()
        await assert_right(store, "UTC")
    assert "zone = Asia/Kathmandu" in await migrate(each_edition.dsn(), settings={"zone": "Asia/Kathmandu"})
    async with store_of(each_edition) as store:
        await assert_right(store, "Asia/Kathmandu")
        await store.roll_up()
        await assert_right(store, "Asia/Kathmandu")
    assert await migrate(each_edition.dsn()) == []
    await migrate(each_edition.dsn(), settings={"zone": "UTC"})
    async with store_of(each_edition) as store:
        await assert_right(store, "UTC")


async def test_two_stores_of_late_readings_while_rolling_up(database: Database) -> None:
    """A transaction that is open while the mark moves past its readings is waited for; they are never lost."""
    async with store_of(database) as writer, store_of(database) as store:
        await writer.execute("BEGIN")
        await writer.execute(FILL.format(since="2026-03-01Z", until="2026-03-02Z", every="1 hour"))
        await store.execute("SELECT rollup_note(now())")
        done = await store.roll_up(settle_s=0.2)
        assert done.quarters == 0
        await writer.execute("COMMIT")
        assert (await store.roll_up()).quarters == 50
        await assert_right(store, "UTC")


async def test_a_mark_that_was_set_back(database: Database) -> None:
    """What is rolled up already is rolled up again, from readings that nobody noted as late."""
    async with store_of(database) as store:
        await store.execute(FILL.format(since="2026-03-01Z", until="2026-05-02Z", every="2 hours"))
        await store.roll_up()
        await store.execute("UPDATE reading SET value = -1 WHERE time = '2026-04-01T10:00Z'")
        await store.execute("UPDATE rollup_state SET shown_until = '2026-03-20T10:45Z'")
        await store.roll_up()
        await assert_right(store, "UTC")
