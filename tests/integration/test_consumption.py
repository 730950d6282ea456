"""What registers consumed: golden cases of everything that makes phantom energy elsewhere, on both editions."""

import json
from datetime import UTC, datetime
from decimal import Decimal

from tests.integration.rollup_rig import METERS, Store, store_of
from tests.servers import Database

DAY = "2026-03-10"
SPEC = {"name": "test", "version": 1, "digits": 5, "points": [{"obis": "1-0:1.8.0"}]}


def at(clock: str) -> str:
    """A time of the day of most tests."""
    return f"{DAY}T{clock}Z"


async def hours(
    store: Store, *series: int, step: str = "1h", since: str = DAY, until: str = "2026-03-11"
) -> list[object]:
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


async def fill(store: Store, series: int) -> None:
    """As many registers as wanted, with a spec of five digits."""
    await store.execute(METERS)
    await store.connection.execute(
        "INSERT INTO spec (name, version, document, source, sha256) VALUES ('test', 1, $1, '', '')", json.dumps(SPEC)
    )
    await store.execute("TRUNCATE series RESTART IDENTITY")
    await store.connection.execute(
        "INSERT INTO meter (key, device_id, spec) SELECT 'MANY:' || n, 1, 'test@1' FROM generate_series(1, $1::int) n",
        series,
    )
    await store.execute(
        "INSERT INTO series (meter_id, obis, unit, kind) SELECT id, '1-0:1.8.0', 'kWh', 'register' FROM meter"
        " WHERE key LIKE 'MANY:%' ORDER BY id"
    )


async def test_a_swap_counts_what_each_meter_counted(each_edition: Database) -> None:
    """A meter that is taken away ends with its closing register, the new one begins with its opening one."""
    async with store_of(each_edition) as store:
        await fill(store, 2)
        await store.add(1, (at("00:00"), 8000.0), (at("01:00"), 8001.5), (at("01:20"), 8002.0))
        await store.add(2, (at("01:25"), 0.2), (at("02:00"), 1.2), (at("03:00"), 2.0))
        found = await hours(store, 1, 2)
        assert found == [
            ("00", "1.5", False, None), ("01", "0.5", False, "partial"),
            ("01", "1.0", False, "partial"), ("02", "0.8", False, None), ("03", "0.0", False, "partial"),
        ]  # fmt: skip


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
