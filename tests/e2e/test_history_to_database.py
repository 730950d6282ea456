"""A day without a Pi: what the meter remembers is read by itself, from its pty into the table; more by command."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.__main__ import main
from device.history.memory import HistoryMemory, Known
from device.simulator import SimulatedIecMeter, SimulatedPolledDlmsMeter
from tests.rigs.servers import Broker, Database
from tests.rigs.whole_loop import TOKEN, whole_loop

EMH = r"EMH5\@01LZQJL0014F"
METER = "EMH:12345678"
QUARTER = timedelta(minutes=15)
READ = "SELECT (detail->>'intervals')::int FROM event WHERE event = 'history_read' AND detail->>'why' = $1"
STORED = """SELECT count(*) FROM named_reading
            WHERE meter = $1 AND obis = $2 AND source = 'profile' AND time > $3 AND time <= $4 HAVING count(*) >= $5"""
DRAWN = """SELECT max(value) - min(value) FROM named_reading
           WHERE meter = $1 AND obis = '1-0:1.8.0' AND time >= $2 AND time <= $3"""
MEAN = "SELECT sum(value) / 4 FROM named_reading WHERE meter = $1 AND obis = '1-0:1.5.0' AND time > $2 AND time <= $3"
LIVE = "SELECT count(*) FROM named_reading WHERE meter = $1 AND obis = '1-0:1.8.2' AND source <> 'profile'"
DEVIATES = """SELECT count(*) FROM event_log
              WHERE event = 'profile_deviates' AND meter = $1 AND detail ->> 'day' = $2"""
FIGURES = """SELECT (detail ->> 'profile_kwh')::float AS profile_kwh, (detail ->> 'register_kwh')::float AS register_kwh
             FROM event WHERE event = 'profile_deviates' AND detail ->> 'day' = $1"""
GAPS = "SELECT count(*) FROM meter_gap_between($1, $2) WHERE until_at - from_at > interval '1 hour'"


async def test_a_gap_of_a_day_heals_by_itself(broker: Broker, database: Database, tmp_path: Path) -> None:
    """Each quarter-hour is there once, registers and mean power agree, live reads go on, and no gap is left."""
    gone_at = datetime.now(UTC) - timedelta(days=1)
    # what an agent left that was cut off a day ago
    HistoryMemory(tmp_path / "pi-1" / "history.json").put(METER, Known(gone_at))
    async with (
        whole_loop(broker, database, tmp_path) as loop,
        SimulatedIecMeter(serial="12345678", identification=EMH) as meter,
    ):
        await loop.start_agent("pi-1", (meter.port,))
        intervals = await loop.eventually(READ, "outage")
        assert intervals in (96, 97)
        for obis in ("1-0:1.5.0", "1-0:1.8.0", "1-0:96.10.1"):
            found = await loop.eventually(STORED, METER, obis, gone_at, datetime.now(UTC), intervals)
            assert found == intervals
        assert len(meter.profiles_asked) > 2
        await loop.eventually(LIVE, METER)
        first = datetime.fromtimestamp(gone_at.timestamp() // 900 * 900, UTC) + QUARTER
        last = first + timedelta(hours=23, minutes=30)
        drawn, mean = [await loop.connection.fetchval(query, METER, first, last) for query in (DRAWN, MEAN)]
        assert drawn > 1
        assert abs(drawn - mean) < 0.02
        assert await loop.connection.fetchval(GAPS, first, datetime.now(UTC)) == 0
        # an hour of before, as a person asks for it
        words = ["--from", (first - 6 * QUARTER).isoformat(), "--to", (first - 2 * QUARTER).isoformat(), "--json"]
        assert await command(loop.api_url, "read_profile", *words) == {"intervals": 4, "done": True}
        await loop.eventually(STORED, METER, "1-0:1.8.0", first - 6 * QUARTER, first - 2 * QUARTER, 4)
        # two months, of which nobody can have the end within three seconds, and then not at all
        begun = await command(loop.api_url, "read_profile", "--from", "-60d", "--timeout", "3", "--json")
        assert not begun["done"]
        assert begun["left_h"] > 1000
        assert "cancel_profile ends it" in begun["state"]
        cancelled = await command(loop.api_url, "cancel_profile", "--json")
        assert cancelled["unread_h"] > 1000
        assert await loop.eventually(
            "SELECT 1 FROM event WHERE event = 'history_cancelled' AND detail->>'unread_h' <> $1", ""
        )
        again = await command(loop.api_url, "cancel_profile", "--json")
        assert again is None
        told = "SELECT count(*) FROM event WHERE event IN ('value_conflict', 'history_refused', 'history_other_meter')"
        assert await loop.connection.fetchval(told) == 0


async def command(url: str, name: str, *words: str) -> Any:
    """Give the device a command by the command line; what it says of the meter, None where of none."""
    given = await asyncio.to_thread(
        CliRunner().invoke, main, ["device", "--url", url, "--token", TOKEN, "command", "pi-1", name, *words]
    )
    assert given.exit_code == 0, given.output
    return json.loads(given.stdout)["result"]["meters"].get(METER)


async def test_a_gap_of_a_day_heals_at_a_dlms_meter_too(broker: Broker, database: Database, tmp_path: Path) -> None:
    """By selective access to its profile generic, over TCP: each quarter-hour once, and no gap is left."""
    meter_key, gone_at = "LGZ:71823456", datetime.now(UTC) - timedelta(days=1)
    HistoryMemory(tmp_path / "pi-1" / "history.json").put(meter_key, Known(gone_at))
    async with (
        whole_loop(broker, database, tmp_path) as loop,
        SimulatedPolledDlmsMeter(serial="71823456", seed=3) as meter,
        meter.over_tcp() as url,
    ):
        await loop.start_agent("pi-1", (url,))
        intervals = await loop.eventually(READ, "outage")
        assert intervals in (96, 97)
        found = await loop.eventually(STORED, meter_key, "1-0:1.8.0", gone_at, datetime.now(UTC), intervals)
        assert found == intervals
        first = datetime.fromtimestamp(gone_at.timestamp() // 900 * 900, UTC) + QUARTER
        assert await loop.connection.fetchval(DRAWN, meter_key, first, first + timedelta(hours=23)) > 1
        assert await loop.connection.fetchval(GAPS, first, datetime.now(UTC)) == 0
        told = "SELECT count(*) FROM event WHERE event IN ('value_conflict', 'history_refused')"
        assert await loop.connection.fetchval(told) == 0


async def test_a_memory_that_does_not_fit_its_registers_is_told(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """A profile in the wrong unit: an event with the figures, once by day, at the API too."""
    gone_at = datetime.now(UTC) - timedelta(days=2)
    HistoryMemory(tmp_path / "pi-1" / "history.json").put(METER, Known(gone_at))
    async with (
        whole_loop(broker, database, tmp_path) as loop,
        SimulatedIecMeter(serial="12345678", identification=EMH, seed=2) as meter,
    ):
        meter.memory.power_factor = 10
        await loop.start_agent("pi-1", (meter.port,))
        await loop.eventually(READ, "outage")
        days = "SELECT count(*) > 1 FROM profile_check WHERE meter_id = (SELECT id FROM meter WHERE key = $1)"
        assert await loop.eventually(days, METER)
        assert await loop.eventually(days.replace("profile_check", "profile_day"), METER)
        await loop.connection.execute("UPDATE profile_check SET noted_at = noted_at - interval '1 hour'")
        whole = (gone_at + timedelta(days=1)).date().isoformat()
        await loop.eventually(DEVIATES, METER, whole)
        figures, page = (
            await loop.connection.fetchrow(FIGURES, whole),
            await loop.get("/events", event="profile_deviates"),
        )
        # the first and last of its registers stand within their quarters, which of a part of a day would be much
        assert figures["profile_kwh"] == pytest.approx(10 * figures["register_kwh"], rel=0.1)
        assert page["items"][0]["meter"] == METER
        counted = "SELECT count(*) - count(DISTINCT detail ->> 'day') FROM event WHERE event = 'profile_deviates'"
        assert await loop.connection.fetchval(counted) == 0
