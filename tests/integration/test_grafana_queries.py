"""Every query of every dashboard and rule on a real database as Grafana's role, its macros expanded as Grafana does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.rigs.grafana.asking import BOARDS, NUMBERS, TEXTS, TIMES, ask, choices, context, firing, panels
from tests.rigs.grafana.front_end import columns as named
from tests.rigs.grafana.front_end import table_px, widths
from tests.rigs.grafana.macros import Context
from tests.rigs.grafana.year import DEVICES, METERS, QUARTER, SILENT, TARIFFS, TOTAL, Year, connected, rows
from tests.rigs.servers import Database

EMPTY = {"Consumption by day", "Consumption by hour"}
"""What the seeded year, which is without gas, shows nothing in."""
WITHOUT = {"Cost by tariff", "Highest quarter-hours", "Tables"}
"""Tables that are never empty, or say nothing of a meter that there is not."""
ONE_FAR_OFF = {"Latency and queue", "From reading to table"}
"""Charts in which the message lies that came again after half an hour."""


def fits(panel: dict[str, Any], columns: dict[str, str], found: list[dict[str, Any]], *, timescale: bool) -> None:
    """The columns are those that this kind of panel draws."""
    kind, where = panel["type"], (panel["title"], columns)
    numbers = [name for name, of in columns.items() if of in NUMBERS]
    texts = [name for name, of in columns.items() if of in TEXTS]
    if kind in ("timeseries", "heatmap"):
        assert panel["targets"][0]["format"] == "time_series", where
        assert columns["time"] in (TIMES if timescale else TIMES | NUMBERS), where
        assert texts in ([], ["metric"]), where
        assert set(numbers) - {"time"}, where
        assert len(columns) == 1 + len(texts) + len(set(numbers) - {"time"}), where
        times = [row["time"] for row in found]
        assert times == sorted(times), where
        return
    assert panel["targets"][0]["format"] == "table", where
    if kind == "stat":
        assert len(found) <= 1, where
        shown = numbers + (texts if panel["options"]["reduceOptions"]["fields"] else [])
        assert len(shown) == len(columns), where
    elif kind == "bargauge":
        assert len(texts) == len(numbers) == 1, where
    elif kind == "barchart":
        assert texts == [panel["options"]["xField"]], where
        assert len(numbers) == len(columns) - 1, where
    assert list(columns) == named(panel["targets"][0]["rawSql"]), "the unit tests read the names right"
    if kind == "table":
        times = {name for name, of in columns.items() if of in TIMES}
        shared = widths(panel, [(name, name in times) for name in columns])
        assert sum(shared.values()) <= table_px(panel) + 0.5, where


@pytest.mark.parametrize("uid", BOARDS)
async def test_every_panel_gets_the_columns_that_it_draws(year: Year, uid: str) -> None:
    """On the dashboard's own range, each query gives the right columns, with time_bucket and without."""
    for panel in panels(BOARDS[uid]):
        for timescale in (True, False) if year.edition == "apache" else (True,):
            there = context(BOARDS[uid], span=panel.get("timeFrom"), timescale=timescale)
            sql = there.expand(panel["targets"][0]["rawSql"])
            columns, found = await rows(year.database, sql)
            fits(panel, columns, found, timescale=timescale)
            assert found or panel["title"] in EMPTY, panel["title"]
            for axis in panel["targets"][1:]:
                columns, found = await rows(year.database, there.expand(axis["rawSql"]))
                assert columns == {"max": "float8", "min": "float8"}
                ends = [value for row in found for value in row.values() if value is not None]
                assert not ends or panel["title"] in ONE_FAR_OFF, panel["title"]


@pytest.mark.parametrize("uid", BOARDS)
async def test_no_choice_and_no_range_breaks_a_query(year: Year, uid: str) -> None:
    """One device and a meter with a quote in its name, an hour and a quarter of a year: an answer, not an error."""
    for hours in (1, 24 * 92):
        chosen = choices(BOARDS[uid], everything=False, meter=SILENT)
        for panel in panels(BOARDS[uid]):
            sql = context(BOARDS[uid], hours, chosen=chosen).expand(panel["targets"][0]["rawSql"])
            columns, found = await rows(year.database, sql)
            fits(panel, columns, found, timescale=True)


async def test_variables_list_their_choices(year: Year) -> None:
    """Devices, then the meters of those chosen, with their product beside the key; nothing is a choice as well."""
    for board in BOARDS.values():
        for variable in board["templating"]["list"]:
            if variable["type"] != "query":
                continue
            now = datetime.now(UTC)
            sql = Context(now, now, chosen={"device": DEVICES}).expand(variable["query"])
            _, found = await rows(year.database, sql)
            if variable["name"] == "device":
                assert [row["device"] for row in found] == DEVICES
            elif variable["name"] in ("since", "until"):
                (there,) = [value for row in found for value in row.values()]
                assert abs(datetime.fromisoformat(there) - now) < timedelta(seconds=1)
            elif board["uid"] == "wattline-volume":
                assert [row["__value"] for row in found] == ["(none)"]
            else:
                assert [(row["__value"], row["__text"]) for row in found] == [
                    ("KFM:tariffs", "KFM:tariffs KFM MA304"),
                    ("LGZ:total", "LGZ:total LGZ E350"),
                    (SILENT, SILENT),
                ]
                sql = Context(now, now, chosen={"device": ["d3"]}).expand(variable["query"])
                assert [row["__value"] for row in (await rows(year.database, sql))[1]] == ["(none)"]


async def test_marks_have_a_time_and_a_text(year: Year) -> None:
    """Each annotation gives time, text and tags; a change of parameters says who changed what to what."""
    texts: dict[str, list[str]] = {}
    for board in BOARDS.values():
        for mark in board.get("annotations", {}).get("list", []):
            sql = context(board, 24).expand(mark["target"]["rawSql"])
            columns, found = await rows(year.database, sql)
            assert columns == {"time": "timestamptz", "text": "text", "tags": "text"}
            texts[mark["name"]] = [row["text"] for row in found]
    change = "d1 v2 by anna: reading_interval_s: 10 → 60, spec of LGZ:total: lgz-e350@2 → lgz-e350@3"
    assert change in texts["Parameter changes"]
    assert "d1 clock_stepped" in texts["Warnings of devices"]


async def test_fleet_numbers(year: Year) -> None:
    """Devices, power, energy and what needs a look, as they were seeded."""
    fleet = "wattline-fleet"
    assert await ask(year, fleet, "Devices") == [{"Online": 2, "Offline": 1, "Registered today": 1}]
    (attention,) = await ask(year, fleet, "To look at")
    # the year ends with the last quarter of an hour, so that a slow run finds its other meters silent, too
    silent = attention.pop("Silent meters")
    assert silent == 1 or datetime.now(UTC) - year.last > timedelta(minutes=14)
    assert attention == {"Meters": "some silent", "Unknown products": 1, "Wait for a key": 0, "Quarantined": 31}
    (power,) = await ask(year, fleet, "Power now")
    hour = year.last.astimezone(year.zone).hour
    expected = (3.0 if 18 <= hour < 20 else 1.0) + (2.0 if 6 <= hour < 22 else 1.0)
    assert power["Power now"] == pytest.approx(expected) or datetime.now(UTC) - year.last > timedelta(minutes=14)
    today = {meter: year.energy(year.midnight(), year.last, meter) for meter in METERS[:2]}
    (energy,) = await ask(year, fleet, "Energy today")
    assert float(energy["Energy today"] or 0) == pytest.approx(sum(today.values()))
    table = {row["Meter"]: row for row in await ask(year, fleet, "Meters")}
    assert set(table) == set(METERS)
    assert {meter: float(table[meter]["Energy today"] or 0) for meter in today} == pytest.approx(today)
    assert table[SILENT]["Energy today"] is None
    (one,) = await ask(year, fleet, "Energy today", chosen=choices(BOARDS[fleet], everything=False))
    assert float(one["Energy today"] or 0) == pytest.approx(today[TOTAL])


async def test_fleet_history(year: Year) -> None:
    """Power of the fleet at each quarter-hour, and energy of whole local days."""
    history = await ask(year, "wattline-fleet", "Power of the fleet", 12)
    assert len(history) >= 40
    for row in history[1:-1]:
        hour = row["time"].astimezone(year.zone).hour
        expected = (3.0 if 18 <= hour < 20 else 1.0) + (2.0 if 6 <= hour < 22 else 1.0)
        assert row["Power"] == pytest.approx(expected), row
    days = await ask(year, "wattline-fleet", "Energy by day")
    imported = {row["time"]: row["value"] for row in days if row["metric"] == "import"}
    for back in (1, 5, 12):
        start, end = year.midnight(back), year.midnight(back - 1)
        assert imported[start] == pytest.approx(sum(year.energy(start, end, meter) for meter in METERS[:2]))
    assert {row["value"] for row in days if row["metric"] == "export"} == {0}


async def test_a_meter_s_energy_and_cost(year: Year) -> None:
    """Today, yesterday and last week by local hour, days, and cost by tariff with the prices of the settings."""
    uid = "wattline-meter"
    tariffs = choices(BOARDS[uid], meter="KFM:tariffs")
    (energy,) = await ask(year, uid, "Import")
    assert (energy["Today"] or 0) == pytest.approx(year.energy(year.midnight(), year.last))
    assert energy["Yesterday"] == pytest.approx(year.energy(year.midnight(1), year.midnight()))
    hours = {row["Hour"]: row for row in await ask(year, uid, "Today, yesterday, last week")}
    assert hours["18:00"]["Yesterday"] == pytest.approx(3.0)
    assert hours["12:00"]["Last week"] == pytest.approx(1.0)
    assert sum(row["Today"] or 0 for row in hours.values()) == pytest.approx(energy["Today"] or 0)
    cost = await ask(year, uid, "Cost by tariff", chosen=tariffs)
    start = year.start_of((datetime.now(UTC) - timedelta(days=31)).astimezone(year.zone).date())
    kwh = [year.energy(start, year.last, "KFM:tariffs", tariff) for tariff in (1, 2)]
    assert [(row["Tariff"], row["Register"]) for row in cost] == [
        ("import T1", "1-0:1.8.1"),
        ("import T2", "1-0:1.8.2"),
    ]
    assert [row["Energy"] for row in cost] == pytest.approx(kwh)
    assert [row["Cost"] for row in cost] == pytest.approx([kwh[0] * 0.32, kwh[1] * 0.24])
    days = await ask(year, uid, "Cost by day and tariff", chosen=tariffs)
    assert sum(row["value"] for row in days) == pytest.approx(kwh[0] * 0.32 + kwh[1] * 0.24)
    whole = [row for row in days if row["time"] == year.midnight(1)]
    assert {row["metric"] for row in whole} == {"import T1", "import T2"}
    volts = {row["metric"]: row["value"] for row in await ask(year, uid, "Voltage by phase")}
    assert volts == {"L1": 231.0, "L2": 260.0}
    power = await ask(year, uid, "Power", chosen=tariffs)
    assert {row["Power"] for row in power} == {1.0, 2.0}
    assert len(await ask(year, uid, "Registers and values")) == 5


async def test_days_of_92_and_100_quarter_hours(year: Year) -> None:
    """The heat map has a column a local day; spring's day lacks an hour, autumn's second one is in the mean."""
    uid = "wattline-load-profile"
    changes = [day for day in (year.first.astimezone(year.zone).date() + timedelta(days=n) for n in range(1, 365))
               if (year.start_of(day + timedelta(days=1)) - year.start_of(day)) != timedelta(days=1)]  # fmt: skip
    assert len(changes) == 2
    for day in changes:
        start, end = year.start_of(day), year.start_of(day + timedelta(days=1))
        quarters = (end - start) // timedelta(minutes=15)
        until = end + timedelta(hours=20)
        board = BOARDS[uid]
        span = Context(start + timedelta(hours=2), until, 900, chosen=choices(board))
        (heat,) = [panel for panel in panels(board) if panel["type"] == "heatmap"]
        _, found = await rows(year.database, span.expand(heat["targets"][0]["rawSql"]))
        of_day = {row["metric"]: row["value"] for row in found if row["time"] == start}
        assert len(of_day) == (92 if quarters == 92 else 96)
        assert ("02:30" in of_day) == (quarters != 92)
        assert (of_day["01:15"], of_day["18:00"], of_day["19:45"]) == pytest.approx((1.0, 3.0, 3.0))
        only = Context(start, end - timedelta(seconds=1), 900, chosen=choices(board))
        (figures,) = [panel for panel in panels(board) if panel["title"] == "In figures"]
        _, [numbers] = await rows(year.database, only.expand(figures["targets"][0]["rawSql"]))
        assert numbers["Quarter-hours"] == quarters
        assert numbers["Energy"] == pytest.approx(quarters * 0.25 + 4)
        assert (numbers["Peak"], numbers["Base load"]) == pytest.approx((3.0, 1.0))


async def test_the_duration_curve_falls(year: Year) -> None:
    """It begins at the peak, ends at the base, and never rises; a typical day has the evening's peak."""
    # a slow run would find quarter-hours behind the end of the year
    curve = await ask(year, "wattline-load-profile", "Duration curve", until=year.last)
    powers = [row["Power"] for row in curve]
    assert (powers[0], powers[-1], len(powers)) == (pytest.approx(3.0), pytest.approx(1.0), 51)
    assert powers == sorted(powers, reverse=True)
    typical = {f"{row['time']:%H:%M}": row for row in await ask(year, "wattline-load-profile", "Typical day")}
    assert len(typical) == 96
    assert typical["18:30"]["Monday to Friday"] == pytest.approx(3.0)
    assert typical["12:00"]["Sunday"] == pytest.approx(1.0)


async def test_the_ledger_tells_lost_repeated_and_late(year: Year) -> None:
    """One of each was seeded, beside thirty frames in quarantine and a clock that was stepped."""
    (numbers,) = await ask(year, "wattline-data-quality", "Messages")
    waits = numbers.pop("Waiting for receipt")
    assert numbers == {"Lost": 1, "Healed": 1, "Repeated": 1, "Late": 1, "Messages": 179, "Quarantined": 31}
    devices = {row["Device"]: row for row in await ask(year, "wattline-data-quality", "Devices")}
    assert set(devices) == set(DEVICES)
    shown = ("Lost", "Healed", "Sent again", "Repeated", "Late", "Quarantined", "Clock", "Clock steps", "Online")
    assert [devices["d1"][name] for name in shown] == [1, 1, 2, 1, 1, 0, "meter, synced", 1, 1]
    assert (devices["d2"]["Quarantined"], devices["d2"]["Online"]) == (30, 0)
    assert (waits, [devices[name]["Waiting for receipt"] for name in DEVICES]) == (12, [12, 0, None])
    troubled = {row["Device"]: row for row in await ask(year, "wattline-platform", "Outboxes in trouble")}
    shown = ("To send", "Waiting for receipt", "Complaints", "Events")
    assert [troubled["d1"][name] for name in shown] == [0, 12, None, "-"]
    assert [troubled["d2"][name] for name in shown] == [None, None, 1, "outbox_near_full"]
    clocks = await ask(year, "wattline-data-quality", "Clocks")
    assert {row["Clock"]: row["Meters"] for row in clocks} == {"The meter's own": 1, "Device, kept by NTP": 2}


async def test_desired_against_reported(year: Year) -> None:
    """Who is in step, behind or refusing, which values differ, and why one was refused."""
    (numbers,) = await ask(year, "wattline-parameters", "Devices")
    assert numbers == {
        "In step": 1,
        "Behind": 1,
        "On probation": 0,
        "Never confirmed": 0,
        "Refused": 0,
        "Reverted": 0,
        "Without any": 1,
    }
    (differs,) = await ask(year, "wattline-parameters", "Desired against reported")
    assert [differs[name] for name in ("Device", "Parameter", "Desired", "Reported")] == [
        "d2", "reading_interval_s", "60", "10"]  # fmt: skip
    (refused,) = await ask(year, "wattline-parameters", "Refused and reverted")
    assert (refused["Field"], refused["Reason"]) == ("reading_interval_s", "too short for this meter")
    history = await ask(year, "wattline-parameters", "History")
    assert [(row["Version"], row["Author"]) for row in history if row["Device"] == "d1"] == [(2, "anna"), (1, "system")]
    assert [row["Changes"] for row in history if row["Version"] == 1] == ["", ""]


async def test_what_went_back_and_what_recovered(database: Database) -> None:
    """A configuration taken back is counted with its reason, an unproved one as such; a recovered outbox is fine."""
    async with connected(database) as opened:
        await opened.execute(
            "INSERT INTO device (name, online) VALUES ('d1', true), ('d2', true), ('d3', true), ('d4', true);"
            "INSERT INTO desired (device_id, version, hash, document, author)"
            " SELECT id, 2, 'h', '{}', 'anna' FROM unnest(ARRAY[1, 3, 4]) id;"
            "INSERT INTO reported (device_id, version, state, probation, watched, effective, boot, at) VALUES"
            " (3, 2, 'applied', true, '{LGZ:1}', '{}', 'b', now()), (4, 2, 'applied', true, '{}', '{}', 'b', now());"
            "INSERT INTO reported (device_id, version, state, reasons, effective, boot, at) VALUES"
            """ (1, 2, 'reverted', '[{"field": "port", "reason": "no readings"}]', '{}', 'b', now());"""
            "INSERT INTO event (received_at, at, device_id, source, event, severity) VALUES"
            " (now(), now(), 1, 'device', 'outbox_disk_recovered', 'info'),"
            " (now(), now(), 2, 'device', 'outbox_disk_error', 'error')"
        )
    now = datetime.now(UTC)
    here = Year(database, "apache", None, now, now)  # type: ignore[arg-type]
    board = "wattline-parameters"
    chosen = choices(BOARDS[board]) | {"device": ["d1", "d2", "d3", "d4"]}
    (numbers,) = await ask(here, board, "Devices", chosen=chosen)
    assert numbers == {
        "In step": 0,
        "Behind": 0,
        "On probation": 1,
        "Never confirmed": 1,
        "Refused": 0,
        "Reverted": 1,
        "Without any": 1,
    }
    (why,) = await ask(here, board, "Refused and reverted", chosen=chosen)
    assert (why["Device"], why["State"], why["Field"], why["Reason"]) == ("d1", "reverted", "port", "no readings")
    listed = await ask(here, board, "Desired and reported versions", chosen=chosen)
    assert [(row["Device"], row["State"]) for row in listed] == [
        ("d1", "reverted"), ("d4", "never_confirmed"), ("d3", "on_probation"), ("d2", "none")]  # fmt: skip
    assert [row["Device"] for row in await ask(here, "wattline-platform", "Outboxes in trouble")] == ["d2"]


async def test_what_goes_step_by_step(year: Year) -> None:
    """A staged change and a canary that are open show where they stand, however old; what ended long ago does not."""
    (stage,) = await ask(year, "wattline-parameters", "Staged changes of parameters")
    changed = stage.pop("Changed")
    assert datetime.now(UTC) - changed > timedelta(days=89)
    assert stage == {
        "Scope": "fleet", "State": "running", "Changes": "reading_interval_s, raw_frames", "Step": "1 of 2",
        "Share": "10%", "Devices": 3, "Healthy": 1, "Pending": 0, "Unreachable": 1, "Failed": 1, "Why": None,
        "Author": "jan", "Reason": "less traffic",
    }  # fmt: skip
    (canary,) = await ask(year, "wattline-parameters", "Specs for a part of the fleet")
    canary.pop("Changed")
    assert canary == {
        "Spec": "lgz-e350@4", "State": "canary", "For": "50%", "Verdict": "as good", "Meters": 1, "Devices": 1,
        "Telegrams": 200, "Undecodable": 0.5, "Before": 0.75, "Others": 1.5, "Implausible": 0.0, "Silent": 0.0,
        "Author": "anna", "Reason": "new scaler",
    }  # fmt: skip
    both = await ask(year, "wattline-parameters", "Specs for a part of the fleet", 24 * 365)
    assert [row["Spec"] for row in both] == ["lgz-e350@4", "lgz-e350@3"]


async def test_releases_and_who_is_behind(year: Year) -> None:
    """Which release runs where, and who has not confirmed the one that it is to run, the worst first, with why."""
    board = "wattline-parameters"
    found = await ask(year, board, "Releases")
    shown = {(row["Runs"], row["To run"], row["State"], row["Devices"]) for row in found}
    assert {one for one in shown if one[1] == "0.3.0"} == {
        ("0.3.0", "0.3.0", "confirmed", 1), ("0.2.0", "0.3.0", "rolled_back", 1), ("0.2.0", "0.3.0", "unreported", 1),
    }  # fmt: skip
    behind = await ask(year, board, "Devices that are behind")
    assert [(row["Device"], row["State"], row["Reason"], row["Since"] is None) for row in behind] == [
        ("d2", "rolled_back", "release: no reading came", False), ("d3", "unreported", None, True),
    ]  # fmt: skip


async def test_commands_and_jobs(year: Year) -> None:
    """Commands of the range with their outcome and its time; the job under way with its progress and speed."""
    commands = await ask(year, "wattline-parameters", "Commands to devices")
    assert [(row["Device"], row["Command"], row["State"], row["Answer after"], row["Error"]) for row in commands] == [
        ("d1", "read_now", "replied", 2.0, None),
        ("d2", "restart", "failed", 1.0, "no supervisor"),
    ]
    one = choices(BOARDS["wattline-parameters"], everything=False)
    assert [row["Command"] for row in await ask(year, "wattline-parameters", "Commands to devices", chosen=one)] == [
        "read_now"
    ]
    (job,) = await ask(year, "wattline-platform", "Jobs")
    shown = ("Kind", "State", "Of", "Progress", "Done", "New readings", "Undecodable", "Speed")
    assert [job[name] for name in shown] == ["redecode", "running", "lgz-e350@4", 0.25, 100, 380, 5, 10.0]
    (kind,) = await ask(year, "wattline-platform", "Jobs by kind")
    shown = ("Kind", "Waiting", "Running", "Failed in a day", "First has waited")
    assert [kind[name] for name in shown] == ["redecode", 0, 1, 0, None]


async def test_swaps_and_points(year: Year) -> None:
    """A swap with the registers of both meters; each point with who stands there, on the meter's own board too."""
    (swap,) = await ask(year, "wattline-data-quality", "Swapped meters")
    # the old meter's last quarter-hour before it and the new one's first after it, as their registers stood
    before = datetime.fromtimestamp(swap.pop("Swapped").timestamp() // 900 * 900, UTC)
    t1, t2 = (base + year.energy(year.first, before, TARIFFS, tariff) for tariff, base in ((1, 500), (2, 300)))
    total = 1000 + year.energy(year.first, before + QUARTER)
    assert swap == {
        "Device": "d1", "Point": "kitchen", "Old meter": TARIFFS, "New meter": TOTAL,
        "Closing registers": f"1-0:1.8.1 {t1:.12g} kWh, 1-0:1.8.2 {t2:.12g} kWh",
        "Opening registers": f"1-0:1.8.0 {total:.12g} kWh, 1-0:2.8.0 7 kWh",
        "Board": "wattline-meter",
    }  # fmt: skip
    points = {row["Point"]: row for row in await ask(year, "wattline-data-quality", "Points of delivery")}
    assert {name: (row["Meter"], row["Before it"]) for name, row in points.items()} == {
        "kitchen": (TOTAL, TARIFFS),
        "cellar": (TARIFFS, None),
    }
    (claim,) = await ask(year, "wattline-data-quality", "Claimed meters")
    assert [claim[name] for name in ("Meter", "Stands at", "Claimed by", "Standing")] == [
        TARIFFS,
        "d1",
        "d2",
        "waiting",
    ]
    chosen = choices(BOARDS["wattline-meter"], meter=TARIFFS)
    places = await ask(year, "wattline-meter", "Point of delivery", chosen=chosen)
    assert sorted((row["Point"], row["Meter"]) for row in places) == [("cellar", TARIFFS), ("kitchen", TOTAL)]


async def test_the_platform_by_its_ledger(year: Year) -> None:
    """Rates, waits and batches add up to what was written."""
    rates = await ask(year, "wattline-platform", "Ingest rate")
    # five minutes are shown when they are over and summed up
    shown = "received_at < (SELECT max(bucket) + INTERVAL '5 minutes' FROM ledger_summary WHERE whole)"
    _, [known] = await rows(year.database, f"SELECT count(*) AS messages, sum(rows) AS sum FROM ledger WHERE {shown}")  # noqa: S608
    messages, values = known["messages"], known["sum"]
    assert 140 <= messages <= 180
    assert sum(row["Messages"] for row in rates) * 300 == pytest.approx(messages)
    assert sum(row["Values"] for row in rates) * 300 == pytest.approx(values)
    waits = await ask(year, "wattline-platform", "Latency and queue")
    assert max(row["Longest wait"] for row in waits) == pytest.approx(1.0)
    (batches,) = await ask(year, "wattline-platform", "Batches")
    assert (batches["Messages"], batches["Values"], batches["Largest"]) == (90, 360, 400)
    (writing,) = await ask(year, "wattline-platform", "Time to write and commit a batch")
    assert (writing["Mean"], writing["Longest"]) == pytest.approx((0.02, 0.03))


async def test_rules_fire_for_those_concerned(year: Year) -> None:
    """An offline device, a full outbox and a rise of quarantine are named by their labels; the rest is quiet."""
    assert [row["device"] for row in await firing(year, "device-offline")] == ["d2"]
    assert [(row["reason"], row["value"]) for row in await firing(year, "quarantine")] == [("no_spec", 30.0)]
    assert [row["device"] for row in await firing(year, "outbox")] == ["d2"]
    for quiet in ("meter-silent", "meter-gap", "database-size", "jump"):
        assert await firing(year, quiet) == [], quiet
    assert [(row["gateway"], row["value"]) for row in await firing(year, "broker-logins")] == [("g", 2.0)]
    assert [row["name"] for row in await firing(year, "broker-refused")] == ["pi-9"]
    assert [row["value"] for row in await firing(year, "enrolment-waiting")] == [3.0]
    told = {(row["device"], row["release"]) for row in await firing(year, "software-rolled-back")}
    assert told == {("d1", "0.2.5"), ("d2", "0.3.0")}
    assert [row["of"] for row in await firing(year, "certificate-end")] == ["intermediate"], (
        "https has 16 days too many"
    )


async def test_a_jump_and_silence_are_seen(database: Database) -> None:
    """A register that rises by a year's use in a minute, and a meter that stopped an hour ago, fire their rules."""
    async with connected(database) as opened:
        await opened.execute(
            "INSERT INTO device (name, online) VALUES ('d1', true);"
            "INSERT INTO meter (key, device_id) SELECT v, d.id FROM device d, unnest(ARRAY['M:jump', 'M:silent']) v;"
            "INSERT INTO series (meter_id, obis, unit, kind) SELECT id, '1-0:1.8.0', 'kWh', 'register' FROM meter"
        )
        now = datetime.now(UTC)
        values = [("M:jump", 3, 100.0), ("M:jump", 2, 3600.0), ("M:silent", 90, 5.0), ("M:silent", 60, 5.1)]
        for meter, minutes, value in values:
            await opened.execute(
                "INSERT INTO reading SELECT $2, $3, s.id, 0 "
                "FROM series s JOIN meter m ON m.id = s.meter_id WHERE m.key = $1",
                meter, now - timedelta(minutes=minutes), value)  # fmt: skip
    here = Year(database, "apache", None, now, now)  # type: ignore[arg-type]
    assert [(row["meter"], row["obis"]) for row in await firing(here, "jump")] == [("M:jump", "1-0:1.8.0")]
    assert [row["meter"] for row in await firing(here, "meter-silent")] == ["M:silent"]
    # devices are online and nothing has come: the ingestor's rule fires although there is no row to look at
    (lag,) = await firing(here, "ingest-lag")
    assert lag["value"] == pytest.approx(86400, rel=0.01)
    async with connected(database) as opened:
        await opened.execute(
            "INSERT INTO message (received_at, stored_at, newest_at, seq, device_id, boot, rows, kind) "
            "SELECT now(), now(), now() - INTERVAL '1 second' * n, n, 1, 'b', 1, 1 FROM generate_series(1, 9) n"
        )
    assert await firing(here, "ingest-lag") == []
    (numbers,) = await ask(here, "wattline-platform", "Ingest")
    assert (numbers["Lag"], float(numbers["Messages"])) == pytest.approx((5.0, 0.03))


async def test_an_empty_database_shows_empty_dashboards(database: Database) -> None:
    """A fresh installation gives no error: one row for numbers, none for tables."""
    for board in BOARDS.values():
        chosen = choices(board) | {"device": ["(none)"], "meter": ["(none)"]}
        for panel in panels(board):
            if board["templating"]["list"][2:] and not board["templating"]["list"][2]["multi"]:
                chosen["meter"] = "(none)"
            there = context(board, span=panel.get("timeFrom"), chosen=chosen)
            columns, found = await rows(database, there.expand(panel["targets"][0]["rawSql"]))
            fits(panel, columns, found, timescale=True)
            if panel["type"] == "table" and panel["title"] not in WITHOUT:
                words = [value for row in found for value in row.values() if isinstance(value, str)]
                assert [each for each in words if " " in each], f"{panel['title']} says nothing of an empty store"


async def test_grafana_sees_neither_bytes_nor_documents(database: Database) -> None:
    """The role of the data source can't read tables, nor write anywhere."""
    for table in ("frame", "parameter_document", "desired", "reading", "message"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await rows(database, f"SELECT FROM {table}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await rows(database, "DELETE FROM series")
