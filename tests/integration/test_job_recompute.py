"""Roll-ups made anew after somebody changed readings by hand."""

import json
from datetime import UTC, datetime

from store.kinds.recompute import RECOMPUTE, RecomputeArguments
from store.queue import enqueue
from tests.rigs.redecoding import ended, worker_settings, working
from tests.rigs.rollups import METERS, store_of
from tests.rigs.servers import Database

FILL = (
    "INSERT INTO reading SELECT t, extract(epoch FROM t - '2026-01-01Z'::timestamptz) / 3600, s, 0"
    " FROM generate_series('2026-01-30Z'::timestamptz, '2026-03-03Z', '20 min') t, generate_series(1, 3) s"
)
STEPS = ("15m", "1h", "1d", "1mo")


async def test_what_was_deleted_by_hand_is_in_no_roll_up_any_more(database: Database) -> None:
    """Of this meter over these days; all levels are then what they would be of the readings that there are."""
    async with store_of(database) as store:
        await store.execute(METERS)
        await store.execute(FILL)
        await store.roll_up()
        await store.execute(
            "DELETE FROM reading WHERE series_id IN (1, 3) AND time BETWEEN '2026-02-10Z' AND '2026-02-12Z'"
        )
        await store.execute("UPDATE reading SET value = 7 WHERE series_id = 2 AND time = '2026-02-20Z'")
        wrong = await store.rolled_up()
        since, until = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 28, tzinfo=UTC)
        asked = RecomputeArguments(meter="TST:1", since=since, until=until)
        async with store.connection.transaction():
            number = await enqueue(store.connection, RECOMPUTE, asked, author="anna")
        async with working(worker_settings(database)):
            done = await ended(database, number or 0)
        found = await store.rolled_up()
        # from nothing, which is what it should be: of the other meter what was rolled up stays
        await store.execute("UPDATE rollup_state SET shown_until = '-infinity'")
        await store.roll_up()
        right = await store.rolled_up()
    assert done["progress"] == 1
    for step in STEPS:
        ours, theirs = [[one for one in rows[step] if one[1] in (1, 2)] for rows in (found, right)]
        assert ours == theirs, step
        assert ours != [one for one in wrong[step] if one[1] in (1, 2)], step
        assert [one for one in found[step] if one[1] == 3] == [one for one in wrong[step] if one[1] == 3]


async def test_a_meter_that_is_not_there_is_said(database: Database) -> None:
    """And not tried again."""
    since = datetime(2026, 2, 1, tzinfo=UTC)
    asked = RecomputeArguments(meter="TST:9", since=since, until=since.replace(month=3))
    async with store_of(database) as store, store.connection.transaction():
        number = await enqueue(store.connection, RECOMPUTE, asked, author="anna")
    async with working(worker_settings(database)):
        assert (await ended(database, number or 0, "failed"))["error"] == "there is no meter TST:9"


async def test_another_worker_goes_on_where_the_first_one_stood(database: Database) -> None:
    """What was done before it died is not done again; what is left is."""
    middle = datetime(2026, 2, 15, tzinfo=UTC)
    async with store_of(database) as store:
        await store.execute(METERS)
        await store.execute(FILL)
        await store.roll_up()
        await store.execute("DELETE FROM reading WHERE series_id = 1 AND time IN ('2026-02-10Z', '2026-02-20Z')")
        asked = RecomputeArguments(
            meter="TST:1", since=datetime(2026, 2, 1, tzinfo=UTC), until=datetime(2026, 2, 28, tzinfo=UTC)
        )
        async with store.connection.transaction():
            number = await enqueue(store.connection, RECOMPUTE, asked, author="anna")
        await store.connection.execute(
            "UPDATE job SET state = 'running', worker = gen_random_uuid(), saved = $2 WHERE id = $1",
            number, json.dumps({"until": middle.isoformat(), "quarter_hours": 7}),
        )  # fmt: skip
        async with working(worker_settings(database)):
            done = await ended(database, number or 0)
        left = await store.rows(
            "SELECT bucket::date::text FROM rollup_15m WHERE series_id = 1 AND bucket IN ('2026-02-10Z', '2026-02-20Z')"
        )
    assert [tuple(one) for one in left] == [("2026-02-10",)]
    # two series, 13 days of 72 readings, less the one that was deleted, and what was done before
    assert json.loads(done["result"]) == {"quarter_hours": 7 + 2 * 13 * 72 - 1}
