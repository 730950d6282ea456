"""What meters remember against what their registers say: compared once the memory's readings are there."""

import json
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from broker.contract.messages import Clock, Source
from ingestor.upkeep.profile_check import DAYS_OF_A_METER, ProfileChecks
from ingestor.writing.store import note_profile_days
from store.codes import SOURCE_CODES
from tests.rigs.servers import Database

DAY = date(2026, 11, 23)
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)
LIVE, PROFILE = SOURCE_CODES[Source.LIVE, Clock.METER], SOURCE_CODES[Source.PROFILE, Clock.METER]


async def fill(connection: asyncpg.Connection, factor: float, *, hole: bool = False) -> None:
    """A meter that draws two kilowatts all day, read each five minutes, whose memory says `factor` times that."""
    await connection.execute("INSERT INTO device (name) VALUES ('pi-1')")
    await connection.execute("INSERT INTO meter (key, protocol, device_id) VALUES ('EMH:1', 'iec62056-21', 1)")
    await connection.execute(
        "INSERT INTO series (meter_id, obis, unit, kind) VALUES"
        " (1, '1-0:1.5.0', 'kW', 'interval'), (1, '1-0:1.8.0', 'kWh', 'register')"
    )
    intervals = [
        (MIDNIGHT + timedelta(minutes=15 * n), (2.001 - 0.002 * (n % 2)) * factor, 1, PROFILE) for n in range(1, 97)
    ]
    registers = [(MIDNIGHT + timedelta(minutes=5 * n), 100.125 + n / 6, 2, LIVE) for n in range(289)]
    if hole:
        registers = registers[100:110]
    rows = [*intervals, *registers]
    # by no COPY: the Community edition's server here has none
    await connection.execute(
        "INSERT INTO reading (time, value, series_id, source)"
        " SELECT * FROM unnest($1::timestamptz[], $2::float8[], $3::int[], $4::smallint[])",
        *map(list, zip(*rows, strict=True)),
    )


def checks(failed: list[int] | None = None) -> ProfileChecks:
    """As upkeep makes them; each failure is added to `failed`."""
    return ProfileChecks(lambda: (failed if failed is not None else []).append(1))


async def noted(connection: asyncpg.Connection, ago: timedelta) -> None:
    """Some of the day came so long ago."""
    await note_profile_days(connection, [1], [DAY], [datetime.now(UTC) - ago])


async def told(connection: asyncpg.Connection) -> list[dict[str, object]]:
    """The details of what was told."""
    rows = await connection.fetch("SELECT detail, device_id, meter_id FROM event WHERE event = 'profile_deviates'")
    assert all((row["device_id"], row["meter_id"]) == (1, 1) for row in rows)
    return [json.loads(row["detail"]) for row in rows]


async def test_a_memory_that_says_ten_times_as_much_is_told_once_a_day(each_edition: Database) -> None:
    """Once nothing more has come for ten minutes, with the figures; what comes later of the day is compared again."""
    connection = await asyncpg.connect(each_edition.dsn())
    try:
        await fill(connection, 10.0)
        await noted(connection, timedelta(minutes=5))
        assert await checks().check(connection) == 0
        await connection.execute("UPDATE profile_check SET noted_at = now() - interval '11 minutes'")
        assert await checks().check(connection) == 1
        (detail,) = await told(connection)
        assert (detail["day"], detail["code"], detail["register"]) == ("2026-11-23", "1-0:1.5.0", "1-0:1.8.0")
        assert (detail["profile_kwh"], detail["register_kwh"]) == (480.0, 48.0)
        assert await connection.fetchval("SELECT count(*) FROM profile_check") == 0
        await noted(connection, timedelta(minutes=11))
        assert await checks().check(connection) == 1
        assert len(await told(connection)) == 1
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("factor", "tolerance", "hole"), [(1.0, 5, False), (1.04, 5, False), (10.0, 0, False), (10.0, 5, True)]
)
async def test_what_fits_or_can_not_be_compared_is_not_told(
    each_edition: Database, factor: float, tolerance: int, *, hole: bool
) -> None:
    """Within the tolerance, with a tolerance of 0, and where no register was read near the edges."""
    connection = await asyncpg.connect(each_edition.dsn())
    try:
        await fill(connection, factor, hole=hole)
        await connection.execute(
            "INSERT INTO store_setting (name, value) VALUES ('profile_tolerance_percent', $1)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            str(tolerance),
        )
        await noted(connection, timedelta(minutes=11))
        assert await checks().check(connection) == 1
        assert await told(connection) == []
    finally:
        await connection.close()


async def test_a_day_that_can_not_be_compared_is_done_with_and_the_next_is_compared(each_edition: Database) -> None:
    """Whatever is wrong with one: it is counted, and holds up neither its meter nor the ingestor."""
    connection = await asyncpg.connect(each_edition.dsn())
    try:
        await fill(connection, 10.0)
        # one by which PostgreSQL has days that Python lacks an end for: the table refuses it, were it not for the check
        with pytest.raises(asyncpg.CheckViolationError):
            await note_profile_days(connection, [1], [date(9999, 12, 31)], [datetime.now(UTC)])
        await connection.execute("ALTER TABLE profile_check DROP CONSTRAINT profile_check_day_check")
        ago = datetime.now(UTC) - timedelta(minutes=11)
        await note_profile_days(connection, [0, 1], [date(9999, 12, 31), DAY], [ago, ago])
        failed: list[int] = []
        assert await checks(failed).check(connection) == 2
        assert len(failed) == 1
        assert len(await told(connection)) == 1
        assert await connection.fetchval("SELECT count(*) FROM profile_check") == 0
    finally:
        await connection.close()


async def test_meters_take_turns_and_only_the_newest_days_are_compared(each_edition: Database) -> None:
    """A read of years of one meter leaves another its turn, within each look's time."""
    connection = await asyncpg.connect(each_edition.dsn())
    try:
        await fill(connection, 1.0)
        ago = datetime.now(UTC) - timedelta(hours=1)
        days = [DAY - timedelta(days=n) for n in range(DAYS_OF_A_METER + 50)]
        await note_profile_days(connection, [1] * len(days), days, [ago] * len(days))
        await note_profile_days(connection, [2, 2], days[:2], [ago + timedelta(minutes=1)] * 2)
        looks = checks()
        for _ in range(4):
            assert await looks.check(connection, 0.0) == 1
        assert await connection.fetchval("SELECT count(*) FROM profile_check WHERE meter_id = 2") == 0
        assert await connection.fetchval("SELECT count(*) FROM profile_check") == DAYS_OF_A_METER - 2 + 1
        assert await connection.fetchval("SELECT min(day) FROM profile_check") == days[DAYS_OF_A_METER - 2]
        assert await looks.check(connection, 60.0) == DAYS_OF_A_METER - 1
    finally:
        await connection.close()
