"""Stretches without readings, and silent meters, found against each meter's own cadence."""

from datetime import UTC, datetime, timedelta

from tests.integration.rollup_rig import METERS, store_of
from tests.servers import Database

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
SLOW = """
UPDATE meter SET spec = 'asked@1' WHERE key = 'TST:2';
UPDATE meter SET port = NULL WHERE key = 'TST:3';
INSERT INTO spec (name, version, document, source, sha256) VALUES ('asked', 1, '{"link": {"interval_s": 900}}', '', '');
INSERT INTO reported (device_id, version, state, reasons, effective, boot, at)
    VALUES (1, 1, 'applied', '[]', '{"reading_interval_s": 1}', 'b', now());
INSERT INTO meter (key, device_id, parent_id, spec, installed_at)
    SELECT v, 1, 1, 'test@1', now() - interval '40 days' FROM unnest('{G:new,G:hour,G:day,G:dead,G:burst}'::text[]) v;
INSERT INTO series (meter_id, obis, unit, kind)
    SELECT id, '7-0:3.0.0', 'm³', 'register' FROM meter WHERE key LIKE 'G:%' ORDER BY id;
INSERT INTO reading
SELECT now() - r.ago, 1, s.id, 4
FROM series s
JOIN meter m ON m.id = s.meter_id
JOIN LATERAL (
    SELECT interval '50 minutes' AS ago WHERE m.key = 'G:new'
    UNION ALL SELECT interval '45 minutes' + n * interval '1 hour' FROM generate_series(0, 9) n WHERE m.key = 'G:hour'
    UNION ALL SELECT interval '20 hours' + n * interval '1 day' FROM generate_series(0, 4) n WHERE m.key = 'G:day'
    UNION ALL SELECT interval '215 minutes' + n * interval '1 hour' FROM generate_series(0, 9) n WHERE m.key = 'G:dead'
    UNION ALL SELECT interval '20 minutes' + n * interval '9 us' FROM generate_series(0, 9) n WHERE m.key = 'G:burst'
    UNION ALL SELECT interval '10 minutes' + n * interval '1 second' FROM generate_series(0, 9) n WHERE m.key = 'TST:1'
    UNION ALL SELECT interval '50 minutes' WHERE m.key = 'TST:2'
) r ON true
WHERE s.obis <> '16.7.0';
"""
"""Behind TST:1, which reads each second, a new meter, an hourly, a daily, one that stopped, and one that burst once."""


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
