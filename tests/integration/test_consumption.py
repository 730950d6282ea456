"""What registers consumed: golden cases of everything that makes phantom energy elsewhere, on both editions."""

from datetime import UTC, datetime
from decimal import Decimal

from store.migrate import migrate
from tests.rigs.rollups import Store, fill, store_of
from tests.rigs.servers import Database

DAY = "2026-03-10"


def at(clock: str) -> str:
    """A time of the day of most tests."""
    return f"{DAY}T{clock}Z"


async def hours(
    store: Store, *series: int, step: str = "1h", since: str = DAY, until: str = "2026-03-11"
) -> list[tuple[str, str, bool, str | None]]:
    """Consumption as (hour or day, value, estimated, flag) in order; the day's hour only for 1h."""
    form = {"1h": "HH24", "15m": "HH24:MI", "1d": "MM-DD", "1mo": "YYYY-MM"}[step]
    rows = await store.rows(
        f"SELECT to_char(bucket AT TIME ZONE store_zone(), '{form}'), value::text, estimated, flag"  # noqa: S608 - the test's own text
        f" FROM consumption_{step}($1, $2, $3) ORDER BY series_id, bucket",
        datetime.fromisoformat(since).replace(tzinfo=UTC),
        datetime.fromisoformat(until).replace(tzinfo=UTC),
        list(series) or [1],
    )
    return list(rows)


GOLDENS: dict[str, tuple[list[tuple[str, float]], list[tuple[str, str, bool, str | None]]]] = {
    "steady, read at the boundaries": (
        [("00:00", 12345.678), ("01:00", 12345.878), ("02:00", 12432.063), ("03:00", 12432.063)],
        [("00", "0.200", False, None), ("01", "86.185", False, None), ("02", "0.000", False, None)],
    ),
    "a reading is missing at a boundary": (
        [("00:00", 100), ("00:45", 103), ("01:15", 105.5), ("02:00", 106)],
        [("00", "4.3", True, None), ("01", "1.7", True, None)],
    ),
    "readings a minute from the boundary are no guess": (
        [("00:00", 100), ("00:59", 103), ("01:01", 103.4), ("02:00", 106)],
        [("00", "3.2", False, None), ("01", "2.8", False, None)],
    ),
    "hours without a reading": (
        [("00:00", 10), ("00:30", 11), ("03:30", 17), ("04:00", 18)],
        [("00", "2", True, None), ("01", "2", True, "gap"), ("02", "2", True, "gap"), ("03", "2", True, None)],
    ),
    "rollover": (
        [("00:00", 99998.5), ("00:30", 99999.9), ("00:40", 0.2), ("01:00", 0.7), ("02:00", 1.7)],
        [("00", "2.2", False, "rollover"), ("01", "1.0", False, None)],
    ),
    "rollover between two intervals": (
        [("00:00", 99998), ("00:50", 99999), ("01:00", 1), ("02:00", 4)],
        [("00", "3", False, None), ("01", "3", False, "rollover")],
    ),
    "reset": (
        [("00:00", 5000), ("00:30", 5001), ("00:45", 0), ("01:00", 0.5), ("02:00", 2)],
        [("00", "1.5", True, "reset"), ("01", "1.5", False, None)],
    ),
    "reset to a value that is not zero": (
        [("00:00", 5000), ("00:30", 5001), ("00:45", 3000), ("01:00", 3000.5), ("02:00", 3002)],
        [("00", "1.5", True, "reset"), ("01", "1.5", False, None)],
    ),
    "one zero": (
        [("00:00", 5000), ("00:30", 0), ("00:45", 5001), ("01:00", 5002), ("02:00", 5004)],
        [("00", "2", False, "dip"), ("01", "2", False, None)],
    ),
    "one zero as an interval's first reading": (
        [("00:00", 5000), ("00:59", 5001), ("01:00", 0), ("01:01", 5001), ("02:00", 5004)],
        [("00", "1", False, None), ("01", "3", False, "dip")],
    ),
    "one zero as an interval's only reading": (
        [("00:00", 5000), ("01:00", 5001), ("02:30", 0), ("04:00", 5004), ("05:00", 5005)],
        [
            ("00", "1", False, None),
            ("01", "1", True, None),
            ("02", "1", True, "gap"),
            ("03", "1", True, "gap"),
            ("04", "1", False, None),
        ],
    ),
    "a dip of some": (
        [
            ("00:00", 5000),
            ("00:30", 4000),
            ("00:35", 4000),
            ("00:40", 4000),
            ("00:45", 5001),
            ("01:00", 5002),
            ("02:00", 5004),
        ],
        [("00", "2", False, "dip"), ("01", "2", False, None)],
    ),
    "a spike": (
        [("00:00", 5000), ("00:30", 99999), ("00:45", 5001), ("01:00", 5002), ("02:00", 5004)],
        [("00", "2", False, "dip"), ("01", "2", False, None)],
    ),
    "a spike after a reset": (
        [
            ("00:00", 5000),
            ("00:05", 5000),
            ("00:10", 0),
            ("00:20", 0),
            ("00:30", 0.5),
            ("00:40", 9999999),
            ("00:45", 0.6),
            ("01:00", 1),
        ],
        [("00", "1.0", True, "dip reset")],
    ),
    "a jump that stays": (
        [("00:00", 5000), ("00:30", 5001), ("00:40", 25001), ("01:00", 25001.5), ("02:00", 25003)],
        [("00", "1.5", True, "jump"), ("01", "1.5", False, None)],
    ),
    "a jump that stays between two intervals": (
        [("00:00", 5000), ("00:50", 5001), ("01:00", 5101), ("02:00", 5104)],
        [("00", "1", False, None), ("01", "3", True, "jump")],
    ),
    "as much as a meter can": (
        [("00:00", 5000), ("00:15", 5074), ("01:00", 5290), ("02:00", 5290)],
        [("00", "290", False, None), ("01", "0", False, None)],
    ),
    "a rise over a silence is spread, and no jump": (
        [("00:00", 5000), ("03:00", 5600), ("04:00", 5601)],
        [("00", "200", True, None), ("01", "200", True, "gap"), ("02", "200", True, "gap"), ("03", "1", False, None)],
    ),
    "a fall from near the top is no rollover where the meter lacks the power": (
        [("00:00", 89999), ("00:30", 90000), ("00:40", 5), ("01:00", 5.5), ("02:00", 7)],
        [("00", "1.5", True, "reset"), ("01", "1.5", False, None)],
    ),
    "no float dust": (
        [("00:00", 0.1), ("01:00", 0.3), ("02:00", 86.685)],
        [("00", "0.200", False, None), ("01", "86.385", False, None)],
    ),
}


async def test_goldens(each_edition: Database) -> None:
    """Each case gives what it must, before and after it is rolled up, and its days add up to its hours."""
    async with store_of(each_edition) as store:
        await fill(store, len(GOLDENS))
        for number, (readings, _) in enumerate(GOLDENS.values(), 1):
            await store.add(number, *((at(clock), value) for clock, value in readings))
        for _ in range(2):
            for number, (name, (readings, wanted)) in enumerate(GOLDENS.items(), 1):
                found = await hours(store, number)
                last = readings[-1][0]
                ends = found[-1][0] == last[:2]
                assert found[: len(found) - ends] == wanted, name
                total = sum(Decimal(value) for _, value, _, _ in found)
                for step in ("15m", "1d"):
                    parts = await hours(store, number, step=step)
                    assert sum(Decimal(value) for _, value, _, _ in parts) == total, (name, step)
            await store.roll_up()


async def test_a_long_silence_is_spread_evenly(each_edition: Database) -> None:
    """Over weeks without a reading each day gets its share, also where the range asked for lies within the silence."""
    async with store_of(each_edition) as store:
        await fill(store, 1)
        await store.add(1, ("2026-03-01T00:00Z", 100.0), ("2026-04-10T00:00Z", 500.0))
        assert await hours(store, 1, step="1d", since="2026-03-20", until="2026-03-22") == [
            ("03-20", "10", True, "gap"),
            ("03-21", "10", True, "gap"),
        ]
        assert await hours(store, 1, step="1mo", since="2026-03-01", until="2026-04-01") == [
            ("2026-03", "310", True, None)
        ]
        everyone = await store.rows("SELECT sum(value) FROM consumption_1d('2026-03-01Z', '2026-05-01Z')")
        assert everyone == [(400,)]


async def test_decimals_are_of_the_register_and_not_of_the_range(each_edition: Database) -> None:
    """Whatever is asked, an interval has the same value, and the short ones add up to the long ones."""
    async with store_of(each_edition) as store:
        await fill(store, 1)
        await store.add(1, ("2025-07-15T10:00Z", 8000.0), ("2026-03-29T00:30Z", 9000.0), ("2026-03-29T12:10Z", 9010.5))
        for _ in range(2):
            ((_, february, *_),) = await hours(store, step="1mo", since="2026-02-01", until="2026-03-01")
            assert february == "109.1"
            days = await hours(store, step="1d", since="2026-02-01", until="2026-03-01")
            assert await hours(store, step="1d", since="2026-02-10", until="2026-02-11") == [days[9]]
            longer = await hours(store, step="1d", since="2026-02-01", until="2026-04-01")
            assert longer[:28] == days
            quarters = await hours(store, step="15m", since="2026-02-01", until="2026-03-01")
            for parts in (days, quarters):
                assert sum(Decimal(value) for _, value, _, _ in parts) == Decimal(february)
                assert {len(value.partition(".")[2]) for _, value, _, _ in parts} == {1}
            await store.roll_up()


async def test_a_dip_of_weeks_is_no_energy(each_edition: Database) -> None:
    """After 50 days too low the register is back: what counts is how far above the old stand, whatever is asked."""
    async with store_of(each_edition) as store:
        await fill(store, 1)
        await store.add(1, ("2026-03-01T00:00Z", 5000.0), ("2026-03-01T11:00Z", 5000.0))
        await store.execute(
            "INSERT INTO reading SELECT t, 4990, 1, 0"
            " FROM generate_series('2026-03-01 12:00Z'::timestamptz, '2026-04-20Z', '6 hours') t"
        )
        await store.add(1, ("2026-04-20T00:15Z", 5001.0), ("2026-04-20T00:30Z", 5003.0), ("2026-04-21T00:00Z", 5003.0))
        for _ in range(2):
            for step in ("15m", "1h", "1d"):
                parts = await hours(store, 1, step=step, since="2026-04-20", until="2026-04-21")
                assert sum(Decimal(value) for _, value, _, _ in parts) == 3, step
                assert {flag for _, _, _, flag in parts[:2]} >= {"dip"}, step
            assert await hours(store, 1, step="1mo", since="2026-03-01", until="2026-05-01") == [
                ("2026-03", "0", False, "dip"),
                ("2026-04", "3", False, "dip partial"),
            ]
            await store.roll_up()


async def test_months_and_days_see_the_jump_that_quarter_hours_see(each_edition: Database) -> None:
    """A jump within a day, and one as a day ends, count at no step; the setting says how much power is too much."""
    async with store_of(each_edition) as store:
        await fill(store, 1)
        await store.execute(
            "INSERT INTO reading SELECT t, 1000 + extract(epoch FROM t - '2026-03-01Z') / 3600"
            " + CASE WHEN t >= '2026-03-20Z' THEN 300 WHEN t > '2026-03-10 12:00Z' THEN 100 ELSE 0 END, 1, 0"
            " FROM generate_series('2026-03-01Z'::timestamptz, '2026-04-01Z', '15 minutes') t"
        )
        for _ in range(2):
            for step, flagged in (("15m", ["jump"] * 2), ("1h", ["jump"] * 2), ("1d", ["jump"] * 2), ("1mo", ["jump"])):
                parts = await hours(store, 1, step=step, since="2026-03-01", until="2026-04-01")
                assert [flag for _, _, _, flag in parts if flag] == flagged
                assert sum(Decimal(value) for _, value, _, _ in parts) == Decimal("743.5"), step
            await store.roll_up()
        await store.execute("UPDATE store_setting SET value = '0' WHERE name = 'max_power_kw'")
        assert await hours(store, 1, step="1mo", since="2026-03-01", until="2026-04-01") == [
            ("2026-03", "1044.00", False, None)
        ]


async def test_a_meter_that_is_always_beyond_its_power_is_flagged_each_day(each_edition: Database) -> None:
    """Its energy is left out and each interval says so: a limit set too low must not look like no consumption."""
    async with store_of(each_edition) as store:
        await fill(store, 1)
        await store.execute(
            "INSERT INTO reading SELECT t, 5000 + extract(epoch FROM t - '2026-03-01Z') / 3600 * 320, 1, 0"
            " FROM generate_series('2026-03-01Z'::timestamptz, '2026-03-05Z', '15 minutes') t"
        )
        found = await hours(store, step="1d", since="2026-03-01", until="2026-03-05")
        assert [(day, value, estimated) for day, value, estimated, _ in found] == [
            (f"03-0{day}", "0", True) for day in range(1, 5)
        ]
        assert all("jump" in (flag or "") for *_, flag in found)
        now = await hours(store, since="2026-03-04T20:00", until="2026-03-04T23:00")
        assert now == [(str(hour), "0", True, "jump") for hour in (20, 21, 22)]


async def test_one_zero_in_a_year_costs_no_more_than_its_neighbourhood(database: Database) -> None:
    """A year of quarter-hours with a single wrong one is read through once, not once for each of its readings."""
    async with store_of(database) as store:
        await fill(store, 1)
        await store.execute(
            "INSERT INTO reading SELECT t, CASE t WHEN '2026-03-10 10:15Z' THEN 0"
            " ELSE 5000 + extract(epoch FROM t - '2025-06-01Z') / 3600 END, 1, 0"
            " FROM generate_series('2025-06-01Z'::timestamptz, '2026-06-01Z', '15 minutes') t"
        )
        # of a few seconds; by the square of the readings it would be many minutes
        await store.execute("SET statement_timeout = '90s'")
        [(total, flags)] = await store.rows(
            "SELECT sum(value), array_agg(DISTINCT flag) FILTER (WHERE flag IS NOT NULL)"
            " FROM consumption_1h('2025-06-01Z', '2026-06-01Z', ARRAY[1])"
        )
        assert (total, flags) == (365 * 24, ["dip"])


async def test_a_month_sees_a_jump_at_any_midnight(each_edition: Database) -> None:
    """From one day to the next, and from one week to the next: none of the energy counts, in whatever register."""
    async with store_of(each_edition) as store:
        await fill(store, 7)
        await store.execute(
            "INSERT INTO reading SELECT t, 1000 + extract(epoch FROM t - '2026-03-01Z') / 3600"
            " + CASE WHEN t >= '2026-03-14Z'::timestamptz + s * interval '1 day' THEN 100 ELSE 0 END, s, 0"
            " FROM generate_series('2026-03-13Z'::timestamptz, '2026-03-23Z', '15 minutes') t, generate_series(1, 7) s"
        )
        found = await hours(store, *range(1, 8), step="1mo", since="2026-03-01", until="2026-04-01")
        assert found == [("2026-03", "239.75", True, "jump partial")] * 7


async def test_days_of_92_96_and_100_quarter_hours(each_edition: Database) -> None:
    """At one kilowatt a local day has as many kilowatt-hours as it has hours, and the months add them up."""
    await migrate(each_edition.dsn(), settings={"zone": "Europe/Warsaw"})
    async with store_of(each_edition) as store:
        await fill(store, 1)
        for since, until in (("2026-03-27 23:00Z", "2026-03-30 22:00Z"), ("2026-10-23 22:00Z", "2026-10-26 23:00Z")):
            await store.execute(
                "INSERT INTO reading"  # noqa: S608 - the test's own text
                " SELECT t, 1000 + extract(epoch FROM t - '2026-02-28 23:00Z') / 3600, 1, 0"
                f" FROM generate_series('{since}'::timestamptz, '{until}', '15 minutes') t"
            )
        await store.add(1, ("2026-02-28T23:00Z", 1000.0), ("2026-03-31T22:00Z", 1743.0), ("2026-10-31T23:00Z", 6880.0))
        for _ in range(2):
            for midnight, kwh in (
                ("2026-03-27 23:00Z", [24, 23, 24]),
                ("2026-10-23 22:00Z", [24, 25, 24]),
            ):
                days = await store.rows(
                    "SELECT bucket_end - bucket, value, flag, estimated"
                    " FROM consumption_1d($1::timestamptz, $1 + interval '70 hours')",
                    datetime.fromisoformat(midnight),
                )
                assert [(span.total_seconds() / 3600, value, flag, guessed) for span, value, flag, guessed in days] == [
                    (hours, hours, None, False) for hours in kwh
                ]
                quarters = await store.rows(
                    "SELECT date_trunc('day', bucket, store_zone()), count(*), sum(value), min(value), max(value)"
                    " FROM consumption_15m($1::timestamptz, $1 + interval '71 hours') GROUP BY 1 ORDER BY 1",
                    datetime.fromisoformat(midnight),
                )
                assert [row[1:] for row in quarters][:2] == [
                    (4 * hours, hours, Decimal("0.25"), Decimal("0.25")) for hours in kwh[:2]
                ]
            months = await store.rows(
                "SELECT value FROM consumption_1mo('2026-02-28 23:00Z', '2026-10-31 23:00Z') ORDER BY bucket"
            )
            assert (months[0], months[-1], sum(value for (value,) in months)) == ((743,), (745,), 5880)
            await store.roll_up()
