"""Stretches without readings, and silent meters, found against each meter's own cadence."""

from datetime import UTC, datetime, timedelta

from tests.rigs.rollups import METERS, SLOW, store_of
from tests.rigs.servers import Database

FILL = """
INSERT INTO reading
SELECT start + n * interval '1 minute', 1, 2, 0
FROM (SELECT date_trunc('hour', now()) - interval '6 hours' AS start) s, generate_series(0, 300) n
WHERE n NOT BETWEEN 63 AND 79 AND n NOT BETWEEN 182 AND 183;
INSERT INTO reading
SELECT t, 1, 3, 0 FROM generate_series(now() - interval '2 days', now(), '15 minutes') t;
INSERT INTO reading
SELECT t, 1, 5, 0 FROM generate_series(now() - interval '3 days', now() - interval '70 hours', '10 minutes') t;
"""


async def test_gaps_against_the_own_cadence(each_edition: Database) -> None:
    """Gaps within and across quarter-hours, at the end, and of a meter long silent; none of one that is only slow."""
    async with store_of(each_edition) as store:
        await store.execute(METERS)
        await store.execute(FILL)
        for _ in range(2):
            rows = await store.rows(
                "SELECT device, meter, until_at - from_at, round(cadence_s)::int, missing, open, total FROM meter_gap"
            )
            silent = rows.pop(0)
            # silent for 70 hours, of which 24 are asked for
            assert silent[:2] + silent[3:6] == ("pi-1", "TST:3", 600, 144, True)
            assert silent[6] >= 419
            opened = rows.pop()
            assert opened[:2] + opened[3:4] + opened[5:6] == ("pi-1", "TST:1", 60, True)
            assert 59 <= opened[4] == opened[6] <= 121
            assert rows == [
                ("pi-1", "TST:1", timedelta(minutes=18), 60, 17, False, 17),
                ("pi-1", "TST:1", timedelta(minutes=3), 60, 2, False, 2),
            ]
            await store.roll_up()


async def test_a_range_of_before(each_edition: Database) -> None:
    """Of a gap that goes on, a range in the past tells its share; a removed meter is not missed after its removal."""
    async with store_of(each_edition) as store:
        await store.execute(METERS)
        await store.execute(
            "INSERT INTO reading SELECT t, 1, s, 0 FROM"
            " generate_series('2026-03-10Z'::timestamptz, '2026-03-10T06:00Z', '5 minutes') t, generate_series(1, 3) s;"
            "UPDATE meter SET removed_at = '2026-03-10T06:01Z' WHERE key = 'TST:2'"
        )
        rows = await store.rows(
            "SELECT meter, from_at = '2026-03-10T06:00Z', until_at = now(), missing, open"
            " FROM meter_gap_between('2026-03-10Z', '2026-03-10T12:00Z')"
        )
        assert rows == [("TST:1", True, True, 71, True)]


async def test_a_range_within_quarter_hours(each_edition: Database) -> None:
    """A gap is told whole, from the last reading before it to the next; missing is what was due in the range."""
    async with store_of(each_edition) as store:
        await store.execute(METERS)
        await store.execute(
            "INSERT INTO reading SELECT t, 1, 1, 0"
            " FROM generate_series('2026-03-10T10:00Z'::timestamptz, '2026-03-10T16:00Z', '1 minute') t"
            " WHERE t <= '2026-03-10T12:05Z' OR t BETWEEN '2026-03-10T15:00Z' AND '2026-03-10T15:36Z'"
            " OR t >= '2026-03-10T15:41Z'"
        )
        for _ in range(2):
            for since, until, missing in (("14:07", "15:35", 53), ("12:00", "14:07", 121), ("13:00", "14:00", 60)):
                rows = await store.rows(
                    "SELECT to_char(from_at, 'HH24:MI'), to_char(until_at, 'HH24:MI'), missing, total, open"
                    " FROM meter_gap_between($1::text::timestamptz, $2::text::timestamptz) WHERE meter = 'TST:1'",
                    f"2026-03-10T{since}Z",
                    f"2026-03-10T{until}Z",
                )
                assert rows == [("12:05", "15:00", missing, 174, False)]
            await store.roll_up()


async def test_the_days_of_a_gap_add_up(each_edition: Database) -> None:
    """Each day counts what was due in it, the day within the gap too, where the meter said nothing at all."""
    async with store_of(each_edition) as store:
        await store.execute(METERS)
        await store.execute(
            "INSERT INTO reading SELECT t, 1, 2, 0"
            " FROM generate_series('2026-03-10Z'::timestamptz, '2026-03-12T12:00Z', '10 minutes') t"
            " WHERE t <= '2026-03-10T18:00Z' OR t >= '2026-03-12T06:00Z';"
            # a series of the same meter that is read less often must not stand in for it
            "INSERT INTO reading SELECT t, 1, 1, 0"
            " FROM generate_series('2026-03-10Z'::timestamptz, '2026-03-10T18:00Z', '1 hour') t"
        )
        for _ in range(2):
            for first, last, missing in ((10, 11, 35), (11, 12, 144), (12, 13, 36), (10, 13, 215)):
                rows = await store.rows(
                    "SELECT to_char(from_at, 'DD HH24'), to_char(until_at, 'DD HH24'), cadence_s, missing, total"
                    " FROM meter_gap_between($1::text::timestamptz, $2::text::timestamptz)"
                    " WHERE until_at <= '2026-03-12T06:00Z'",
                    f"2026-03-{first}Z",
                    f"2026-03-{last}Z",
                )
                assert rows == [("10 18", "12 06", 600.0, missing, 215)]
            await store.roll_up()


REMEMBERS = """
INSERT INTO spec (name, version, document, source, sha256, author)
    VALUES ('test', 1, '{"history": {"method": "p.01"}}', 'x', 'x', 'test');
"""
MEMORY = """
INSERT INTO reading SELECT t, 1, s, 6
FROM generate_series('2026-03-09Z'::timestamptz, '2026-03-10T08:45Z', '15 minutes') t, generate_series(1, 4) s;
INSERT INTO profile_day SELECT m, d FROM (VALUES (1), (2)) v (m), (VALUES ('2026-03-09'::date), ('2026-03-10')) w (d);
"""
"""Of two meters a register that is read live, too, and a power that the memory alone has."""
LIVE = """
INSERT INTO reading SELECT t, 1, 1, 0
FROM generate_series('2026-03-10T09:00Z'::timestamptz, '2026-03-10T10:00Z', '1 minute') t
WHERE t <> '2026-03-10T09:20Z';
INSERT INTO reading SELECT t, 1, 3, 0
FROM generate_series('2026-03-10T09:00Z'::timestamptz, '2026-03-10T22:00Z', '1 minute') t
WHERE t <> '2026-03-10T15:33Z';
"""


async def test_a_minute_is_missed_at_a_meter_whose_memory_was_read_before(each_edition: Database) -> None:
    """Its cadence is that of the live readings, by few hours of them and by many; a memory's intervals are no gaps."""
    async with store_of(each_edition) as store:
        await store.execute(METERS + REMEMBERS + MEMORY + LIVE)
        for _ in range(2):
            for meter, end, gap in (("TST:1", "10:00", "09:21"), ("TST:2", "22:00", "15:34")):
                rows = await store.rows(
                    "SELECT to_char(until_at, 'HH24:MI'), cadence_s, missing"
                    " FROM meter_gap_between('2026-03-09T01:00Z', $2::text::timestamptz) WHERE meter = $1",
                    meter,
                    f"2026-03-10T{end}Z",
                )
                assert rows == [(gap, 60.0, 1)]
            await store.roll_up()


async def test_a_gap_that_the_meter_s_memory_tells_is_none(each_edition: Database) -> None:
    """Be it by registers of the same series or by mean powers; a hole in the memory itself is a gap as before."""
    async with store_of(each_edition) as store:
        await store.execute(METERS)
        await store.execute(
            "INSERT INTO reading SELECT t, 1, s, 0"
            " FROM generate_series('2026-03-10Z'::timestamptz, '2026-03-10T20:00Z', '1 minute') t,"
            " (VALUES (1), (3), (6)) v (s)"
            " WHERE t <= '2026-03-10T12:05Z' OR t >= '2026-03-10T15:04Z';"
            "INSERT INTO reading SELECT t, 1, s, 6"
            " FROM generate_series('2026-03-10T12:15Z'::timestamptz, '2026-03-10T15:00Z', '15 minutes') t,"
            " (VALUES (1), (4)) v (s);"
            "INSERT INTO profile_day VALUES (1, '2026-03-10'), (2, '2026-03-10')"
        )
        for _ in range(2):
            told = (
                "SELECT meter, to_char(from_at, 'HH24:MI'), to_char(until_at, 'HH24:MI')"
                " FROM meter_gap_between('2026-03-10Z', '2026-03-10T19:00Z') ORDER BY meter, from_at"
            )
            assert await store.rows(told) == [("TST:3", "12:05", "15:04")]
            await store.roll_up()
        # two hours of the memory are missing: without power there was nothing to remember
        await store.execute(
            "DELETE FROM reading WHERE source = 6 AND time BETWEEN '2026-03-10T13:10Z' AND '2026-03-10T14:50Z'"
        )
        rows = await store.rows(told)
        assert [row for row in rows if row[0] == "TST:2"] == [("TST:2", "12:05", "15:04")]


async def test_a_line_that_loses_here_and_there(each_edition: Database) -> None:
    """Where most hours lack a reading, each of those is told, and the cadence is what it would be without losses."""
    async with store_of(each_edition) as store:
        await store.execute(METERS)
        await store.execute(
            "INSERT INTO reading SELECT t, 1, 1, 0"
            " FROM generate_series('2026-03-10Z'::timestamptz, '2026-03-11Z', '1 minute') t"
            # 20 of 24 hours, at another minute each, the first and last ones of an hour and of quarter-hours as well
            " WHERE extract(minute FROM t) <> extract(hour FROM t) * 3 % 60 OR extract(hour FROM t) IN (3, 8, 13, 18)"
        )
        for _ in range(2):
            rows = await store.rows(
                "SELECT from_at, until_at - from_at, cadence_s, missing FROM meter_gap_between("
                "'2026-03-10T00:30Z', '2026-03-11Z') WHERE meter = 'TST:1'"
            )
            start = datetime(2026, 3, 10, tzinfo=UTC)
            lost = [start + timedelta(hours=n, minutes=n * 3 % 60) for n in range(1, 24) if n not in (3, 8, 13, 18)]
            minute = timedelta(minutes=1)
            assert rows == [(at - minute, 2 * minute, 60.0, 1) for at in lost]
            await store.roll_up()


async def test_no_gap_and_no_silence_before_the_cadence_is_known(each_edition: Database) -> None:
    """A meter behind another has its own cadence or none; a main one has the device's or its spec's until then."""
    async with store_of(each_edition) as store:
        await store.execute(METERS)
        await store.execute(SLOW)
        for _ in range(2):
            gaps = await store.rows("SELECT meter, cadence_s, missing, total FROM meter_gap ORDER BY meter, from_at")
            assert [row[:2] for row in gaps] == [("G:dead", 3600.0), ("TST:1", 1.0), ("TST:2", 900.0)]
            # a second more passes with each second that the test takes
            assert gaps[0][2:] == (3, 3)
            assert gaps[2][2:] == (3, 3)
            assert gaps[1][2] == gaps[1][3] >= 599
            silent = await store.rows("SELECT meter, cadence_s FROM meter_silence() ORDER BY meter")
            assert silent == [("G:dead", 3600.0), ("TST:2", 900.0), ("TST:3", None)]
            await store.roll_up()
