"""Readings that no arithmetic can bear, stored before there were bounds: they stop nobody else's roll-ups."""

import asyncpg
import pytest

from store.rollups import STEPS
from tests.rigs.rollups import METERS, Store, store_of
from tests.rigs.servers import Database

HUGE = 1.7e308
GOOD, POISON, WATER = 1, 3, 7
SAMPLES = [
    ("2026-03-01T10:00Z", 1.0),
    ("2026-03-01T10:20Z", 2.0),
    ("2026-03-01T11:00Z", 3.0),
    ("2026-03-01T12:00Z", 4.0),
]
READ = "SELECT count(*), sum(readings)::int FROM rollup_{step} WHERE series_id = $1"
RANGE = "'2026-03-01Z', '2026-03-02Z'"


async def poison(store: Store, day: str) -> None:
    """Two huge values within one quarter-hour, two within one hour, and huge ones of both signs."""
    times = [f"{day}T10:0{minute}Z" for minute in range(4)] + [f"{day}T11:00Z", f"{day}T11:30Z", f"{day}T23:59Z"]
    for series in (POISON, WATER):
        await store.add(series, *((at, HUGE if number % 3 else -HUGE) for number, at in enumerate(times)))
        await store.add(series, (f"{day}T12:00Z", 5.0), (f"{day}T12:20Z", 5.5))


async def assert_nobody_is_stopped(store: Store) -> None:
    """Each level has the good series whole, and the questions that go over all series are answered."""
    for step in STEPS:
        counted = await store.rows(READ.format(step=step), GOOD)
        assert counted[0][1] == len(SAMPLES), step
        await store.rows(f"SELECT * FROM rollup_{step}")  # noqa: S608 - the test's own text
        used = await store.rows(f"SELECT series_id, value FROM consumption_{step}({RANGE}) WHERE series_id = $1", GOOD)  # noqa: S608 - the test's own text
        assert sum(value for _, value in used) == pytest.approx(3.0), step
    await store.rows(f"SELECT sum(value), avg(value) FROM consumption_1d({RANGE})")  # noqa: S608 - the test's own text


@pytest.mark.parametrize("late", [False, True])
async def test_poison_stops_nobody(each_edition: Database, late: bool) -> None:
    """In what is rolled up for the first time, and in what comes late for it."""
    async with store_of(each_edition) as store:
        await store.execute(METERS)
        await store.execute("INSERT INTO series (meter_id, obis, unit, kind) VALUES (1, '8-0:1.0.0', 'm³', 'register')")
        await store.add(GOOD, *SAMPLES)
        if late:
            await store.roll_up()
        await poison(store, "2026-03-01")
        done = await store.roll_up()
        await assert_nobody_is_stopped(store)
        again = await store.roll_up()
        assert (again.quarters, again.late_hours) == (0, 0)
        await assert_nobody_is_stopped(store)
        assert done.left_out
        told = await store.rows("SELECT DISTINCT event, severity FROM event WHERE source = 'ingestor'")
        assert told == [("readings_left_out", "error")]


async def test_poison_of_before_in_the_tables(database: Database) -> None:
    """Apache: quarter-hours that were rolled up with such values by an earlier version do no harm either."""
    async with store_of(database) as store:
        await store.execute(METERS)
        await store.add(GOOD, *SAMPLES)
        await store.roll_up()
        await store.execute(
            "INSERT INTO rolled_15m (bucket, series_id, first_at, last_at, first_value, last_value, min_value,"
            " max_value, sum_value, readings, decimals) SELECT t, 3, t, t, v, v, v, v, v, 1, 0 FROM (VALUES"
            " ('2026-03-01T10:00Z'::timestamptz, 1.7e308::float8), ('2026-03-01T10:15Z', 1.7e308)) x (t, v)"
        )
        await store.add(POISON, ("2026-03-01T10:40Z", 5.0))
        await store.roll_up()
        await assert_nobody_is_stopped(store)


async def test_what_is_not_rolled_up_yet_is_answered(database: Database) -> None:
    """Apache: the running quarter-hour too, which is read from the readings."""
    async with store_of(database) as store:
        await store.execute(METERS)
        for second in range(3):
            await store.execute(f"INSERT INTO reading SELECT now() - interval '{second} s', 1.7e308, 3, 0")
        await store.execute("INSERT INTO reading SELECT now(), 1, 1, 0")
        for step in STEPS:
            assert await store.rows(f"SELECT sum(sum_value) FROM rollup_{step}") == [(1.0,)]  # noqa: S608 - the test's own text
        with pytest.raises(asyncpg.NumericValueOutOfRangeError):
            await store.value("SELECT sum(value) FROM reading")
