"""Stretches without readings, found against each meter's own cadence."""

from datetime import timedelta

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


async def test_gaps_against_the_own_cadence(each_edition: Database) -> None:
    """Gaps within and across quarter-hours, at the end, and of a meter long silent; none of one that is only slow."""
    async with store_of(each_edition) as store:
        await store.execute(METERS)
        await store.execute(FILL)
        for _ in range(2):
            rows = await store.rows(
                "SELECT device, meter, until_at - from_at, round(cadence_s)::int, missing, open FROM meter_gap"
            )
            silent = rows.pop(0)
            assert silent[:2] + silent[3:4] + silent[5:] == ("pi-1", "TST:3", 600, True)
            assert silent[4] >= 419
            opened = rows.pop()
            assert opened[:2] + opened[3:4] + opened[5:] == ("pi-1", "TST:1", 60, True)
            assert 59 <= opened[4] <= 121
            assert rows == [
                ("pi-1", "TST:1", timedelta(minutes=18), 60, 17, False),
                ("pi-1", "TST:1", timedelta(minutes=3), 60, 2, False),
            ]
            await store.roll_up()


async def test_a_range_of_before(each_edition: Database) -> None:
    """A range in the past is answered as of its end, and a removed meter is not missed after its removal."""
    async with store_of(each_edition) as store:
        await store.execute(METERS)
        await store.execute(
            "INSERT INTO reading SELECT t, 1, s, 0 FROM"
            " generate_series('2026-03-10Z'::timestamptz, '2026-03-10T06:00Z', '5 minutes') t, generate_series(1, 3) s;"
            "UPDATE meter SET removed_at = '2026-03-10T06:01Z' WHERE key = 'TST:2'"
        )
        rows = await store.rows(
            "SELECT meter, from_at = '2026-03-10T06:00Z', missing, open"
            " FROM meter_gap_between('2026-03-10Z', '2026-03-10T12:00Z')"
        )
        assert rows == [("TST:1", True, 71, False)]


async def test_a_range_within_quarter_hours(each_edition: Database) -> None:
    """A gap begins at the last reading before it, in whatever quarter-hour that is; one after the range is not told."""
    async with store_of(each_edition) as store:
        await store.execute(METERS)
        await store.execute(
            "INSERT INTO reading SELECT t, 1, 1, 0"
            " FROM generate_series('2026-03-10T10:00Z'::timestamptz, '2026-03-10T16:00Z', '1 minute') t"
            " WHERE t <= '2026-03-10T12:05Z' OR t BETWEEN '2026-03-10T15:00Z' AND '2026-03-10T15:36Z'"
            " OR t >= '2026-03-10T15:41Z'"
        )
        for _ in range(2):
            rows = await store.rows(
                "SELECT to_char(from_at, 'HH24:MI'), to_char(until_at, 'HH24:MI'), missing, open"
                " FROM meter_gap_between('2026-03-10T14:07Z', '2026-03-10T15:35Z') WHERE meter = 'TST:1'"
            )
            assert rows == [("12:05", "15:00", 174, False)]
            await store.roll_up()
