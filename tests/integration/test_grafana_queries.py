"""Every query of the dashboard on a real database as role wattline_grafana, its macros expanded as Grafana does."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from grafana.fleet import dashboard
from tests.servers import Database

NOW = MIDNIGHT = datetime.now(UTC)
ZONE = "UTC"
METERS = ("LGZ:sound", "KFM:tariffs", "ISK:reset", "EBZ:zero", "EMH:silent", "O'Neill:1")


@pytest.fixture(autouse=True)
def _noon() -> None:
    """Work where it is about noon now, so that today has a morning at whatever hour this runs (POSIX: +2 is west)."""
    global NOW, MIDNIGHT, ZONE  # noqa: PLW0603 - the moment of this test, not of the import minutes before
    NOW = datetime.now(UTC).replace(microsecond=0)
    ZONE = f"Etc/GMT{NOW.hour - 12:+d}"
    MIDNIGHT = NOW.replace(hour=0, minute=0, second=0) + timedelta(hours=NOW.hour - 12)


def expanded(sql: str, *, timescale: bool, devices: list[str], meters: list[str], hours: int = 6) -> str:
    """Replace variables and macros as Grafana's front end and its PostgreSQL data source do."""
    since, until = NOW - timedelta(hours=hours), NOW + timedelta(minutes=1)
    quoted = {"device": devices, "meter": meters}
    for name, values in quoted.items():
        sql = sql.replace(f"${name}", ",".join("'" + value.replace("'", "''") + "'" for value in values))
    sql = sql.replace("$zone", ZONE).replace("$__interval", "5m")

    def macro(found: re.Match[str]) -> str:
        arguments = [argument.strip() for argument in found.group(2).split(",")]
        match found.group(1):
            case "__timeFilter":
                return f"{arguments[0]} BETWEEN '{since:%Y-%m-%dT%H:%M:%SZ}' AND '{until:%Y-%m-%dT%H:%M:%SZ}'"
            case "__timeGroup":
                assert arguments[1].strip("'") == "5m"
                if timescale:
                    return f"time_bucket('300.000s',{arguments[0]})"
                return f"floor(extract(epoch from {arguments[0]})/300)*300"
        raise AssertionError(found.group(0))

    sql = re.sub(r"\$(\w+)\(([^)]*)\)", macro, sql)
    assert "$" not in sql, sql
    return sql


async def seed(opened: Any) -> None:
    """Two devices and six meters whose energy of today is known: 4.5, 3, and for two of them unknowable."""
    await opened.execute(
        "INSERT INTO device (name, online, registered_at, last_seen_at) "
        "VALUES ('d1', true, now(), now()), ('d2', false, now(), now()), ('d3', true, NULL, NULL)"
    )
    for key in METERS:
        await opened.execute(
            "INSERT INTO meter (key, device_id, manufacturer, product, spec) "
            "SELECT $1, id, $2, 'P', 's@1' FROM device WHERE name = 'd1'",
            key,
            key.partition(":")[0],
        )
    early, late = MIDNIGHT + timedelta(minutes=5), NOW - timedelta(minutes=2)
    mid = MIDNIGHT + timedelta(hours=6)
    before = MIDNIGHT - timedelta(minutes=10)
    await _register(opened, "LGZ:sound", "1-0:1.8.0", {before: 100.0, early: 100.5, mid: 102.0, late: 104.5})
    await _register(opened, "LGZ:sound", "1-0:1.8.1", {before: 1.0, late: 2.0})
    await _register(opened, "KFM:tariffs", "1-0:1.8.1", {early: 10.0, late: 12.0})
    await _register(opened, "KFM:tariffs", "1-0:1.8.2", {early: 20.0, late: 21.0})
    await _register(opened, "ISK:reset", "1-0:1.8.0", {early: 5000.0, mid: 0.0, late: 3.0})
    await _register(opened, "EBZ:zero", "1-0:1.8.0", {early: 0.0, late: 7000.0})
    await _register(opened, "EMH:silent", "1-0:1.8.0", {MIDNIGHT - timedelta(hours=3): 1.0})
    await _series(opened, "LGZ:sound", "1-0:16.7.0", "kW", {late: 0.5, NOW - timedelta(hours=2): 0.3})
    await _series(opened, "KFM:tariffs", "1-0:1.7.0", "kW", {late: 1.0})
    await _series(opened, "KFM:tariffs", "1-0:2.7.0", "kW", {late: 0.25})
    await _series(opened, "ISK:reset", "1-0:16.7.0", "kW", {NOW - timedelta(hours=5): 9.0})


async def _register(opened: Any, meter: str, obis: str, values: dict[datetime, float]) -> None:
    await _series(opened, meter, obis, "kWh", values)


async def _series(opened: Any, meter: str, obis: str, unit: str, values: dict[datetime, float]) -> None:
    series = await opened.fetchval(
        "INSERT INTO series (meter_id, obis, unit, kind) SELECT id, $2, $3, 'register' FROM meter WHERE key = $1 "
        "RETURNING id",
        meter,
        obis,
        unit,
    )
    await opened.executemany(
        "INSERT INTO reading (time, value, series_id, source) VALUES ($1, $2, $3, 0)",
        [(at, value, series) for at, value in values.items()],
    )


async def run(database: Database, sql: str, *, timescale: bool = True, **chosen: list[str]) -> list[dict[str, Any]]:
    devices, meters = chosen.get("devices", ["d1", "d2", "d3"]), chosen.get("meters", list(METERS))
    opened = await asyncpg.connect(database.dsn("wattline_grafana"))
    try:
        found = await opened.fetch(expanded(sql, timescale=timescale, devices=devices, meters=meters))
    finally:
        await opened.close()
    return [dict(row) for row in found]


def panel(title: str) -> str:
    (sql,) = [one["targets"][0]["rawSql"] for one in dashboard()["panels"] if one["title"] == title]
    assert isinstance(sql, str)
    return sql


def variable(name: str) -> str:
    (sql,) = [one["query"] for one in dashboard()["templating"]["list"] if one["name"] == name]
    assert isinstance(sql, str)
    return sql


@pytest.fixture
async def seeded(database: Database) -> Database:
    opened = await asyncpg.connect(database.dsn())
    try:
        await seed(opened)
        await opened.execute(
            "INSERT INTO frame (received_at, topic, kind, reason, data, delivery) "
            "VALUES ($1, 't', 'payload', 'contract', 'x', gen_random_uuid()), "
            "($1 - INTERVAL '7 hours', 't', 'frame', 'no_spec', 'y', gen_random_uuid())",
            NOW - timedelta(minutes=1),
        )
    finally:
        await opened.close()
    return database


async def test_variables_list_devices_and_meters(seeded: Database) -> None:
    """Both variables give their choices, a name with a quote in it too."""
    assert [row["device"] for row in await run(seeded, variable("device"))] == ["d1", "d2", "d3"]
    meters = await run(seeded, variable("meter"))
    assert {row["__value"] for row in meters} == set(METERS)
    assert {row["__text"] for row in meters if row["__value"] == "LGZ:sound"} == {"LGZ:sound LGZ P"}
    assert [row["__value"] for row in await run(seeded, variable("meter"), devices=["d2"])] == ["(none)"]


async def test_every_query_runs_on_an_empty_database(database: Database) -> None:
    """A fresh installation shows an empty dashboard and no error."""
    assert [row["device"] for row in await run(database, variable("device"))] == ["(none)"]
    nobody = {"devices": ["(none)"], "meters": ["(none)"]}
    assert [row["__value"] for row in await run(database, variable("meter"), **nobody)] == ["(none)"]
    for one in dashboard()["panels"]:
        for timescale in (True, False):
            found = await run(database, one["targets"][0]["rawSql"], timescale=timescale, **nobody)
            assert len(found) == (1 if one["type"] == "stat" else 0), one["title"]


async def test_fleet_numbers(seeded: Database) -> None:
    """Power counts meters heard lately; energy counts sound registers and tells how many are not."""
    assert await run(seeded, panel("Devices")) == [{"Online": 2, "Registered": 2}]
    (power,) = await run(seeded, panel("Power now"))
    assert math.isclose(power["Power now"], 0.5 + 1.0 - 0.25)
    (energy,) = await run(seeded, panel("Energy today"))
    assert math.isclose(energy["Energy today"], 4.5 + 3.0)
    assert energy["Meters without a sound register"] == 2
    assert await run(seeded, panel("Quarantined")) == [{"Quarantined": 1}]


async def test_the_table_says_nothing_rather_than_phantom_energy(seeded: Database) -> None:
    """Midnight's own value counts from before it; reset and zero give no energy; a silent meter no power."""
    found = {row["Meter"]: row for row in await run(seeded, panel("Meters"))}
    assert set(found) == set(METERS)
    energy = {meter: row["Energy today"] for meter, row in found.items()}
    assert energy == {
        "LGZ:sound": 4.5,
        "KFM:tariffs": 3.0,
        "ISK:reset": None,
        "EBZ:zero": None,
        "EMH:silent": None,
        "O'Neill:1": None,
    }
    assert {meter: row["Power now"] for meter, row in found.items() if row["Power now"] is not None} == {
        "LGZ:sound": 0.5,
        "KFM:tariffs": 0.75,
    }
    sound = found["LGZ:sound"]
    assert (sound["Device"], sound["Product"], sound["Register"], sound["Online"]) == ("d1", "LGZ P", 104.5, 1)
    assert sound["Last reading"] == NOW - timedelta(minutes=2)


@pytest.mark.parametrize("timescale", [True, False])
async def test_power_over_time_has_the_columns_of_a_time_series(seeded: Database, timescale: bool) -> None:
    """Time, metric and value in the order of time; a time is a timestamp, or seconds where time_bucket is not used."""
    found = await run(seeded, panel("Power by meter"), timescale=timescale)
    assert [list(row) for row in found] == [["time", "metric", "value"]] * 4
    times = [row["time"].timestamp() if timescale else float(row["time"]) for row in found]
    assert times == sorted(times)
    assert all(at % 300 == 0 for at in times)
    assert all(isinstance(row["metric"], str) and isinstance(row["value"], float) for row in found)
    assert [(row["metric"], row["value"]) for row in found] == [
        ("ISK:reset", 9.0),
        ("LGZ:sound", 0.3),
        ("KFM:tariffs", 0.75),
        ("LGZ:sound", 0.5),
    ]
    assert {row["metric"] for row in await run(seeded, panel("Power by meter"), meters=["O'Neill:1"])} == set()


async def test_quarantine_lists_what_came_in_the_range(seeded: Database) -> None:
    """The table shows the reason of what came in the chosen range, and only that."""
    assert [(row["Kind"], row["Reason"]) for row in await run(seeded, panel("Quarantine"))] == [("payload", "contract")]


async def test_grafana_sees_neither_bytes_nor_parameters(database: Database) -> None:
    """The role of the data source can't read tables."""
    for table in ("frame", "parameter_document", "desired", "reading"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run(database, f"SELECT FROM {table}")
