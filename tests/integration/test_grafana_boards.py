"""What boards and rules say of stores that are empty, well, silent, late, or hold a wrong value."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.rigs.grafana.asking import BOARDS, ask, choices, context, firing, panels
from tests.rigs.grafana.year import Year, connected, rows
from tests.rigs.proposals import not_bridged, propose
from tests.rigs.servers import Database
from tests.rigs.sources import add_payload, add_source

FLEET, METER, VOLUME, PROFILE = (f"wattline-{name}" for name in ("fleet", "meter", "volume", "load-profile"))
PLATFORM = "wattline-platform"
NEW = "INSERT INTO device (name, online, status_at) VALUES ('d1', true, now()), ('d2', true, now())"
METERS = """
INSERT INTO meter (key, device_id, installed_at)
SELECT v.key, d.id, now() - interval '3 days'
FROM (VALUES ('M:1', 'd1'), ('M:2', 'd2')) v (key, device) JOIN device d ON d.name = v.device
"""


def at(database: Database) -> Year:
    now = datetime.now(UTC)
    return Year(database, "apache", None, now, now)  # type: ignore[arg-type]


def chosen(uid: str, meter: str = "M:1", devices: tuple[str, ...] = ("d1", "d2")) -> dict[str, Any]:
    found = choices(BOARDS[uid])
    several = isinstance(found.get("meter"), list)
    return found | {"device": list(devices), "meter": [meter, "M:2"] if several else meter}


async def series(database: Database, meter: str, obis: str, unit: str, kind: str) -> None:
    await fill(
        database, "INSERT INTO series (meter_id, obis, unit, kind) SELECT id, $2, $3, $4 FROM meter WHERE key = $1",
        meter, obis, unit, kind,
    )  # fmt: skip


async def read(database: Database, meter: str, obis: str, *values: tuple[timedelta, float]) -> None:
    """Readings of a series, each so long ago."""
    for ago, value in values:
        await fill(
            database,
            "INSERT INTO reading SELECT now() - $3::interval, $4, s.id, 0"
            " FROM series s JOIN meter m ON m.id = s.meter_id WHERE m.key = $1 AND s.obis = $2",
            meter, obis, ago, value,
        )  # fmt: skip


async def fill(database: Database, sql: str, *values: Any) -> None:
    async with connected(database) as opened:
        await opened.execute(sql, *values)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


async def test_an_empty_fleet_is_told_from_a_healthy_and_a_sick_one(database: Database) -> None:
    """The words come from the store: no meter yet, every meter is heard, or who is silent."""
    here = at(database)
    nobody = choices(BOARDS[FLEET]) | {"device": ["(none)"], "meter": ["(none)"]}
    (note,) = await ask(here, FLEET, "Silent meters", chosen=nobody)
    assert (note["State"], note["Meter"]) == ("no meter yet", None)
    assert (await ask(here, FLEET, "To look at", chosen=nobody))[0]["Meters"] == "none yet"
    assert (await ask(here, FLEET, "Worst gaps", chosen=nobody))[0]["State"] == "no reading yet"
    await fill(database, NEW)
    await fill(database, METERS)
    for meter in ("M:1", "M:2"):
        await series(database, meter, "1-0:1.8.0", "kWh", "register")
        await read(database, meter, "1-0:1.8.0", *((minutes(n), 100.0) for n in range(1, 60)))
    (note,) = await ask(here, FLEET, "Silent meters", chosen=chosen(FLEET))
    assert (note["State"], note["Meter"]) == ("every meter is heard", None)
    assert (await ask(here, FLEET, "To look at", chosen=chosen(FLEET)))[0]["Meters"] == "all heard"
    assert (await ask(here, FLEET, "Worst gaps", chosen=chosen(FLEET)))[0]["State"] == "no gap"
    assert (await ask(here, FLEET, "Unknown products", chosen=chosen(FLEET)))[0]["Says it is"] is not None
    await fill(database, "DELETE FROM reading WHERE time > now() - interval '45 minutes'")
    silent = await ask(here, FLEET, "Silent meters", chosen=chosen(FLEET))
    assert [(row["Meter"], row["State"]) for row in silent] == [("M:1", "silent"), ("M:2", "silent")]
    assert (await ask(here, FLEET, "To look at", chosen=chosen(FLEET)))[0]["Meters"] == "some silent"


async def test_a_stale_value_says_so_and_a_register_keeps_its_decimals(database: Database) -> None:
    """As on the meter's display while readings come; of a meter that fell silent each value says what it is."""
    await fill(database, NEW)
    await fill(database, METERS)
    for obis, unit, kind in (("1-0:1.8.0", "kWh", "register"), ("1-0:16.7.0", "kW", "instantaneous")):
        await series(database, "M:1", obis, unit, kind)
    await read(database, "M:1", "1-0:1.8.0", *((minutes(n), 9981.204 if n > 1 else 9981.2) for n in range(1, 40)))
    await read(database, "M:1", "1-0:16.7.0", *((minutes(n), 0.7) for n in range(1, 40)))
    here = at(database)
    (state,) = await ask(here, METER, "Newest values", chosen=chosen(METER))
    assert (state["Import register"], state["Power"], state["Readings"]) == ("9981.200 kWh", "0.700 kW", 1)
    assert state["Export register"] is None
    values = {row["OBIS"]: row["Value"] for row in await ask(here, METER, "Registers and values", chosen=chosen(METER))}
    assert values == {"1-0:1.8.0": "9981.200", "1-0:16.7.0": "0.7"}
    # moved and not updated: at night the day before is another chunk
    await fill(
        database,
        "WITH moved AS (DELETE FROM reading RETURNING *) INSERT INTO reading"
        " SELECT time - interval '5 hours', value, series_id, source FROM moved",
    )
    (state,) = await ask(here, METER, "Newest values", chosen=chosen(METER))
    assert (state["Import register"], state["Power"]) == ("9981.200 kWh (stale)", "0.700 kW (stale)")
    assert state["Readings"] == 0
    values = {row["OBIS"]: row["Value"] for row in await ask(here, METER, "Registers and values", chosen=chosen(METER))}
    assert values == {"1-0:1.8.0": "9981.200 (stale)", "1-0:16.7.0": "0.7 (stale)"}


async def test_a_gas_meter_has_a_board_of_its_own(database: Database) -> None:
    """Links of the fleet open it, its variable lists it and that of electricity does not; it counts m³ a day."""
    await fill(database, NEW)
    await fill(database, METERS)
    await series(database, "M:1", "1-0:1.8.0", "kWh", "register")
    await read(database, "M:1", "1-0:1.8.0", (minutes(5), 100.0), (minutes(1), 101.0))
    await series(database, "M:2", "0-1:24.2.1", "m³", "register")
    await read(database, "M:2", "0-1:24.2.1", *((timedelta(hours=n), 500.125 - n) for n in range(72)))
    here = at(database)
    table = {row["Meter"]: row["Board"] for row in await ask(here, FLEET, "Meters", chosen=chosen(FLEET))}
    assert table == {"M:1": METER, "M:2": VOLUME}
    for uid, meter in ((METER, "M:1"), (VOLUME, "M:2"), (PROFILE, "M:1")):
        (variable,) = [each for each in BOARDS[uid]["templating"]["list"] if each["name"] == "meter"]
        _, found = await rows(database, context(BOARDS[uid], chosen=chosen(uid)).expand(variable["query"]))
        assert [row["__value"] for row in found] == [meter]
    days = await ask(here, VOLUME, "Consumption by day", chosen=chosen(VOLUME, "M:2"))
    assert {row["metric"] for row in days} == {"m³ 0-1:24.2.1"}
    whole = [row["value"] for row in days][1:-1]
    assert whole
    # stands at midnight lie between readings, and are rounded to the register's decimals
    assert whole == pytest.approx([24.0] * len(whole), abs=0.0015)
    (state,) = await ask(here, VOLUME, "Newest values", chosen=chosen(VOLUME, "M:2"))
    assert (state["Register"], state["Readings"], state["Device"]) == ("500.125 m³", 1, 1)
    (used,) = await ask(here, VOLUME, "Consumption", chosen=chosen(VOLUME, "M:2"))
    assert used["Yesterday"] in ("23.999 m³", "24.000 m³", "24.001 m³")


async def test_one_wrong_value_leaves_the_picture_and_not_the_scale(database: Database) -> None:
    """The axis ends near all other values, where one lies far off; several that lie there are a load and are shown."""
    await fill(database, NEW)
    await fill(database, METERS)
    await series(database, "M:1", "1-0:16.7.0", "kW", "instantaneous")
    await series(database, "M:1", "1-0:32.7.0", "V", "instantaneous")
    await read(database, "M:1", "1-0:16.7.0", *((minutes(10 * n), 0.5 + n % 4 * 0.1) for n in range(1, 60)))
    await read(database, "M:1", "1-0:32.7.0", *((minutes(10 * n), 230.0 + n % 5) for n in range(1, 60)))
    assert await ends(database, "Power") == (None, None)
    await read(database, "M:1", "1-0:16.7.0", (minutes(605), 5000.0))
    await read(database, "M:1", "1-0:32.7.0", (minutes(605), 0.0))
    top, bottom = await ends(database, "Power")
    assert (0.8 < (top or 0) < 2, bottom) == (True, None)
    top, bottom = await ends(database, "Voltage by phase")
    assert (top, 220 < (bottom or 0) < 232) == (None, True)
    await read(database, "M:1", "1-0:16.7.0", *((minutes(605 + 10 * n), 11.0) for n in range(1, 8)))
    top, _ = await ends(database, "Power")
    assert 11 < (top or 0) < 20, "the car that was charged is in the picture"


async def ends(database: Database, title: str) -> tuple[float | None, float | None]:
    (panel,) = [panel for panel in panels(BOARDS[METER]) if panel["title"] == title]
    sql = context(BOARDS[METER], chosen=chosen(METER)).expand(panel["targets"][1]["rawSql"])
    found = (await rows(database, sql))[1] or [{"max": None, "min": None}]
    return found[0]["max"], found[0]["min"]


async def test_an_export_below_the_line_bounds_the_axis_below(database: Database) -> None:
    """Stacked bars count as a whole, and those that hang below the line have their own end."""
    days = 'SELECT t AS "time", m AS metric, v AS value'
    days += " FROM generate_series(now() - interval '20 days', now(), '1 day') t"
    days += " CROSS JOIN (VALUES ('import', 10.0), ('export', 4.0)) x (m, v)"
    (panel,) = [panel for panel in panels(BOARDS[METER]) if panel["title"] == "Energy by day"]
    axis = context(BOARDS[METER], chosen=chosen(METER)).expand(panel["targets"][1]["rawSql"])
    head, tail = axis.index("WITH chart AS (") + len("WITH chart AS ("), axis.index("), number AS")
    wrong = " UNION ALL SELECT now() - interval '30 days', 'export', 9000"
    for more, expected in (("", (None, None)), (wrong, (None, True))):
        found = (await rows(database, axis[:head] + days + more + axis[tail:]))[1] or [{"max": None, "min": None}]
        assert (found[0]["max"], found[0]["min"] and -40 < found[0]["min"] < -4) == expected


async def test_marks_are_of_the_meter_s_own_device(database: Database) -> None:
    """The board of a meter marks what happened at its device; the fleet's what happened at those chosen."""
    await fill(database, NEW)
    await fill(database, METERS)
    await fill(
        database,
        "INSERT INTO event (received_at, at, device_id, source, event, severity)"
        " SELECT now(), now(), id, 'device', 'port_lost', 'error' FROM device",
    )
    for uid, seen in ((METER, {"d2 port_lost"}), (FLEET, {"d1 port_lost", "d2 port_lost"})):
        (mark,) = [each for each in BOARDS[uid]["annotations"]["list"] if each["name"] == "Warnings of devices"]
        sql = context(BOARDS[uid], chosen=chosen(uid, "M:2")).expand(mark["target"]["rawSql"])
        assert {row["text"] for row in (await rows(database, sql))[1]} == seen


async def test_a_jump_after_silence_is_seen(database: Database) -> None:
    """5 000 kWh more than before two hours of silence are 2 500 kW, though no reading stands between."""
    await fill(database, NEW)
    await fill(database, METERS)
    await series(database, "M:1", "1-0:1.8.0", "kWh", "register")
    await series(database, "M:2", "1-0:1.8.0", "kWh", "register")
    before = tuple((minutes(120 + n), 100 - n * 0.01) for n in range(60))
    await read(database, "M:1", "1-0:1.8.0", *before, (minutes(2), 5100.0))
    await read(database, "M:2", "1-0:1.8.0", *before, (minutes(2), 101.0))
    (jump,) = await firing(at(database), "jump")
    assert (jump["device"], jump["meter"]) == ("d1", "M:1")
    assert jump["value"] == pytest.approx(5000 / (118 / 60), rel=0.02)


async def test_a_jump_in_readings_that_came_late_is_seen(database: Database) -> None:
    """An outbox that delivers yesterday's readings now: they are looked at because they came now."""
    await fill(database, NEW)
    await fill(database, METERS)
    await series(database, "M:1", "1-0:1.8.0", "kWh", "register")
    await read(database, "M:1", "1-0:1.8.0", (timedelta(hours=31), 100.0), (timedelta(hours=30), 4100.0))
    await read(
        database, "M:1", "1-0:1.8.0", *((timedelta(hours=30) - minutes(n), 4100 + n / 100) for n in range(1, 60))
    )
    here = at(database)
    assert await firing(here, "jump") == [], "it was told when it was new"
    # a reading of 30 hours ago, and of what has passed since it was written here
    await fill(
        database,
        "INSERT INTO ledger_5m SELECT time_bucket('5 minutes', now()), id, 1, 1, 0, 0, 1, 108600, 108600, 0, 0"
        " FROM device WHERE name = 'd1'",
    )
    (jump,) = await firing(here, "jump")
    assert jump["meter"] == "M:1"
    assert 3000 < jump["value"] <= 4000, "by the last reading of a quarter-hour"


async def test_the_rule_of_the_store_is_quiet_while_it_answers(database: Database) -> None:
    """Any answer is a row below its limit."""
    assert await firing(at(database), "store") == []


async def test_meters_that_want_a_secret_and_devices_that_wait_are_named(database: Database) -> None:
    """Each with its state and why; what was set since, or opened again, is gone, and all well says so."""
    await fill(database, NEW)
    await fill(database, METERS)
    here = at(database)
    there = chosen(FLEET)
    (row,) = await ask(here, FLEET, "Meters that wait for a key or password", chosen=there)
    assert (row["State"], row["Meter"]) == ("no meter waits", None)
    (row,) = await ask(here, FLEET, "Devices that wait for approval", chosen=there)
    assert row["Name"] == "no device waits"
    await fill(database, """UPDATE meter SET facts = '{"key_state": "missing"}' WHERE key = 'M:1'""")
    told = """INSERT INTO event (received_at, at, device_id, meter_id, source, event, severity, detail)
              SELECT now() - $2::interval, now(), device_id, id, 'device', $1, 'warning', $3::jsonb FROM meter
              WHERE key = 'M:2'"""
    why = '{"reason": "meter_refused", "detail": "authentication failed"}'
    await fill(database, told, "meter_access_refused", minutes(20), why)
    found = {
        row["Meter"]: row for row in await ask(here, FLEET, "Meters that wait for a key or password", chosen=there)
    }
    assert (found["M:1"]["State"], found["M:2"]["State"]) == ("key missing", "access refused")
    assert found["M:2"]["Why"] == "authentication failed"
    fired = {(row["device"], row["meter"], row["wants"]) for row in await firing(here, "key-wanted")}
    assert fired == {("d1", "M:1", "key missing"), ("d2", "M:2", "access refused")}
    await fill(database, told, "meter_access_granted", minutes(10), "{}")
    await fill(database, """UPDATE meter SET facts = '{"key_state": "good"}' WHERE key = 'M:1'""")
    assert await firing(here, "key-wanted") == []
    await fill(database, told, "history_refused", minutes(5), why)
    assert [row["meter"] for row in await firing(here, "key-wanted")] == ["M:2"]
    await fill(
        database,
        "INSERT INTO meter_key (meter_id, kinds, sealed, master, fingerprint, device_id, set_by)"
        " SELECT id, '{password}', 'x', 'm', 'f', device_id, 'anna' FROM meter WHERE key = 'M:2'",
    )
    assert await firing(here, "key-wanted") == [], "a password was set since"
    await fill(
        database,
        "INSERT INTO enrolment (device, hardware, spki_sha256, csr, address, state, reason)"
        " VALUES ('pi-new', 'b1', 'x', 'y', '10.0.0.9', 'waiting', 'no claim of its site')",
    )
    (row,) = await ask(here, FLEET, "Devices that wait for approval", chosen=there)
    assert (row["Name"], row["From"], row["Why"]) == ("pi-new", "10.0.0.9", "no claim of its site")


async def test_third_parties_are_told_from_none_and_from_those_that_are_behind(database: Database) -> None:
    """Sources, payloads, what the bridge warned of and proposes, and outputs: none, then each with how it stands."""
    here = at(database)
    assert await ask(here, PLATFORM, "Sources and payloads") == [
        {"Sources on": 0, "Need a look": 0, "Waiting": 0, "First has waited": 0, "Unmapped": 0, "Proposed": 0}
    ]
    assert (await ask(here, PLATFORM, "Proposed by the bridge"))[0]["Proposal"] == "nothing is proposed"
    assert (await ask(here, PLATFORM, "Outputs of lines"))[0]["Output"] == "no output of lines"
    assert (await ask(here, PLATFORM, "What sources were warned of"))[0]["Event"] == "nothing in this range"
    assert await firing(here, "payloads") + await firing(here, "output") == []
    for name in ("acme", "plant"):
        await add_source(database, name)
    await add_payload(database, {"id": "7"})
    await add_payload(database, {"id": "8"}, "plant")
    await fill(database, "UPDATE payload SET received_at = now() - interval '1 hour' WHERE source = 'acme'")
    await fill(database, "UPDATE payload SET state = 'unmapped', reason = 'no time' WHERE source = 'plant'")
    await fill(
        database,
        "INSERT INTO payload (source, key, received_at, mapped_at, state, readings) SELECT 'acme', n::text,"
        " now() - interval '10 minutes 3 seconds', now() - interval '10 minutes', 'mapped', 2"
        " FROM generate_series(1, 60) n",
    )
    await propose(database, "washer")
    await not_bridged(database, "plant", "no broker home")
    await fill(database, "INSERT INTO outlet_cursor (name, since) VALUES ('lines', now()), ('old', now())")
    await fill(
        database,
        "INSERT INTO stored_span (at, from_at, until_at, series)"
        " VALUES (now() - interval '1 hour', now(), now(), '{1}')",
    )
    await fill(database, "UPDATE outlet_cursor SET seen_at = now() - interval '1 day' WHERE name = 'old'")
    (numbers,) = await ask(here, PLATFORM, "Sources and payloads")
    assert 3600 <= numbers.pop("First has waited") < 3900
    assert numbers == {"Sources on": 2, "Need a look": 2, "Waiting": 1, "Unmapped": 1, "Proposed": 1}
    (rate,) = await ask(here, PLATFORM, "Payloads of third parties")
    assert (rate["Payloads"], rate["Readings"]) == (6.0, 12.0), "60 and 120 within ten seconds"
    (wait,) = await ask(here, PLATFORM, "From receipt to readings")
    assert (wait["Mean"], wait["Longest"]) == (3.0, 3.0)
    (warned,) = await ask(here, PLATFORM, "What sources were warned of")
    assert (warned["Source"], warned["Event"]) == ("plant", "source_not_bridged")
    (proposed,) = await ask(here, PLATFORM, "Proposed by the bridge")
    assert (proposed["Proposal"], proposed["Meters"], proposed["Left out"]) == ("washer", 1, 1)
    outputs = {row["Output"]: row["Stands"] for row in await ask(here, PLATFORM, "Outputs of lines")}
    assert outputs == {"lines": "behind", "old": "away"}
    fired = {(row["source"], row["trouble"], row["value"]) for row in await firing(here, "payloads")}
    assert fired == {
        ("acme", "payloads wait, the first for more than five minutes", 1.0),
        ("plant", "payloads gave nothing within the hour", 1.0),
    }
    late = {row["output"]: row["value"] // 3600 for row in await firing(here, "output")}
    assert late == {"lines": 1, "old": 24}
    await fill(database, "DELETE FROM stored_span")
    await fill(database, "UPDATE payload SET received_at = now() - interval '2 hours' WHERE source = 'plant'")
    await fill(database, "UPDATE source SET enabled = false WHERE name = 'acme'")
    assert await firing(here, "payloads") == []
    assert [row["output"] for row in await firing(here, "output")] == ["old"]
