"""Who is who over the whole loop: swapped meters, a re-flashed Pi, two Pis of one id, meters behind meters."""

import asyncio
import contextlib
import json
from pathlib import Path
from shutil import rmtree
from typing import Any

import aiohttp
import pytest

from deploy.local.process import free_port
from device.service import run as run_device
from device.settings import DetectionSettings, DeviceSettings
from device.simulator import SimulatedP1Meter
from tests.rigs.replay import Replay
from tests.rigs.servers import Broker, Database
from tests.rigs.whole_loop import TOKEN, Loop, whole_loop

OLD, NEW = "E0044007133156018", "E0044007133156019"
COUNT = """SELECT count(*) FROM reading r JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
           WHERE m.key = $1 AND s.obis = '1-0:1.8.1'"""
LAST = """SELECT r.value FROM reading r JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
          WHERE m.key = $1 AND s.obis = $2 ORDER BY r.time {} LIMIT 1"""


def quick(loop: Loop, device: str, folder: Path, *ports: str, **more: Any) -> DeviceSettings:
    return DeviceSettings(
        broker=loop.broker.address(device),
        device_id=device,
        data_folder=folder,
        ports=ports,
        detection=DetectionSettings(quick_s=1.5, thorough_s=4.0),
        **more,
    )


async def heard(loop: Loop) -> None:
    """Wait until the gateway listens to the broker, and ask the fleet for quick readings."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(60):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with http.get(f"{loop.api_url}/healthz") as answer:
                    checks = (await answer.json())["checks"]
                    if checks.get("broker", {}).get("ok"):
                        break
            await asyncio.sleep(0.1)
        fast, headers = {"reading_interval_s": 1, "publish_interval_s": 0.5}, {"Authorization": f"Bearer {TOKEN}"}
        async with http.patch(f"{loop.api_url}/api/v1/parameters", json=fast, headers=headers) as answer:
            assert answer.ok, await answer.text()


async def stopped(stop: asyncio.Event, folder: Path) -> None:
    """Wait until an agent that was told to stop has let its data folder go."""
    from device.data_folder import sole_use

    stop.set()
    while True:
        try:
            with sole_use(folder):
                return
        except Exception:  # noqa: BLE001 - it is still in use
            await asyncio.sleep(0.05)


async def test_a_reflashed_pi_goes_on_and_a_swapped_meter_is_told_with_its_registers(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """An empty disk under the old id: the same configuration, meters and points; then a swap in the running stream."""
    await broker.add_device("pi-1")
    folder = tmp_path / "pi-1"
    async with whole_loop(broker, database, tmp_path) as loop, SimulatedP1Meter(serial=OLD, seed=1) as meter:
        await heard(loop)
        stop = loop.start("pi-1", run_device, quick(loop, "pi-1", folder, meter.port))
        await loop.eventually(f"{COUNT} HAVING count(*) > 1", f"ISK:{OLD}")
        state = "SELECT (SELECT version FROM desired), (SELECT count(*) FROM meter), (SELECT count(*) FROM meter_stay)"
        before = tuple(await loop.connection.fetchrow(state))
        await stopped(stop, folder)
        rmtree(folder)
        count = await loop.connection.fetchval(COUNT, f"ISK:{OLD}")
        loop.start("pi-1", run_device, quick(loop, "pi-1", folder, meter.port))
        await loop.eventually(f"{COUNT} HAVING count(*) > {count + 1}", f"ISK:{OLD}")
        assert tuple(await loop.connection.fetchrow(state)) == before
        events = (
            "SELECT count(*) FROM event WHERE event IN ('meter_installed', 'device_registered', 'device_duplicated')"
        )
        assert await loop.connection.fetchval(events) == 3
        meter.swap(NEW, seed=7)
        told = """SELECT detail::text FROM event WHERE event = 'meter_swapped'
                  AND jsonb_array_length(detail -> 'opening') = 4 AND jsonb_array_length(detail -> 'closing') = 4"""
        detail = json.loads(await loop.eventually(told))
        assert (detail["old"], detail["new"], detail["point"][:5]) == (f"ISK:{OLD}", f"ISK:{NEW}", "pi-1/")
        await loop.eventually(f"{COUNT} HAVING count(*) > 1", f"ISK:{NEW}")
        [closing] = [one["value"] for one in detail["closing"] if one["obis"] == "1-0:1.8.1"]
        [opening] = [one["value"] for one in detail["opening"] if one["obis"] == "1-0:1.8.1"]
        assert closing == await loop.connection.fetchval(LAST.format("DESC"), f"ISK:{OLD}", "1-0:1.8.1")
        assert opening == await loop.connection.fetchval(LAST.format("ASC"), f"ISK:{NEW}", "1-0:1.8.1")
        assert abs(closing - opening) > 10
        gas = (
            "SELECT s.removed_at IS NULL FROM meter_stay s JOIN meter m ON m.id = s.meter_id WHERE m.key LIKE 'MBUS:%'"
        )
        assert [row[0] for row in await loop.connection.fetch(gas)] == [True]
        assert await loop.connection.fetchval("SELECT count(*) FROM message_gap WHERE lost > 0") == 0


async def test_two_pis_of_one_id_are_told_and_leave_each_other_time(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """A cloned card: an error with both boots, no storm of reconnects, each reading by its own boot and meter."""
    await broker.add_device("pi-1")
    health = free_port()
    async with (
        whole_loop(broker, database, tmp_path) as loop,
        SimulatedP1Meter(serial=OLD, seed=1, gas_serial="") as one,
        SimulatedP1Meter(serial=NEW, seed=2, gas_serial="") as two,
    ):
        await heard(loop)
        loop.start("pi-1", run_device, quick(loop, "pi-1", tmp_path / "card", one.port, http_port=health))
        await loop.eventually(f"{COUNT} HAVING count(*) > 1", f"ISK:{OLD}")
        loop.start("clone", run_device, quick(loop, "pi-1", tmp_path / "clone", two.port))
        boots = "SELECT detail -> 'boots' FROM event WHERE event = 'device_duplicated' AND severity = 'error'"
        found = {boot["boot"] for boot in json.loads(await loop.eventually(boots))}
        assert len(found) == 2
        await loop.eventually(f"{COUNT} HAVING count(*) > 0", f"ISK:{NEW}")
        assert await loop.connection.fetchval("SELECT duplicated FROM device_overview")
        credited = """SELECT m.key, array_agg(DISTINCT e.boot) AS boots FROM message e JOIN meter m ON m.id = e.meter_id
                      WHERE e.kind = 1 GROUP BY 1"""
        by_meter = {row["key"]: row["boots"] for row in await loop.connection.fetch(credited)}
        assert sorted(len(boots) for boots in by_meter.values()) == [1, 1]
        assert set().union(*by_meter.values()) == found
        open_ = "SELECT count(*) FROM meter_stay WHERE removed_at IS NULL"
        assert await loop.connection.fetchval(open_) == 2
        assert await loop.connection.fetchval("SELECT alternations FROM device_twin") <= 3
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{health}/healthz") as answer:
            assert "another client took over" in (await answer.json())["checks"]["broker"]["detail"]


@pytest.mark.captures
async def test_gas_and_water_behind_a_real_meter_are_meters_of_their_own(
    captures: Path, broker: Broker, database: Database, tmp_path: Path
) -> None:
    """With parent, point, stay and readings each; a channel whose meter has no name is one too."""
    files = ("telegram_v5_two_mbus.txt", "telegram_fluvius_v171_alt.txt")
    async with whole_loop(broker, database, tmp_path) as loop:
        await heard(loop)
        replays = [Replay((captures / "p1" / name).read_bytes(), 115200, seed=n) for n, name in enumerate(files)]
        async with replays[0].running() as first, replays[1].running() as second:
            stop = await loop.start_agent("pi-1", (first.port, second.port))
            wanted = """SELECT count(DISTINCT m.key) FILTER (WHERE m.parent_id IS NOT NULL) = 3 FROM reading r
                        JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id"""
            await loop.eventually(wanted)
            stop.set()
        rows = await loop.connection.fetch(
            """SELECT m.key, p.key AS parent, o.channel, o.meter,
                      (SELECT max(value) FROM latest_reading l WHERE l.meter_id = m.id)
               FROM meter m JOIN meter p ON p.id = m.parent_id JOIN point_overview o ON o.point_id = m.point_id"""
        )
    assert {tuple(row) for row in rows} == {
        ("MBUS:G0039001936990619", "ISK:E0044007382246019", "2", "MBUS:G0039001936990619", 246.138),
        ("ISK:E0044007382246019/0-1", "ISK:E0044007382246019", "1", "ISK:E0044007382246019/0-1", None),
        ("FLO:7FLO2123088027", "FLU:1SAG3100721326", "1", "FLO:7FLO2123088027", 92.287),
        ("SET:8SET0000961173", "FLU:1SAG3100721326", "2", "SET:8SET0000961173", 8.579),
    }


async def test_a_pi_that_is_replaced_under_another_id_loses_no_second(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """The new one keeps frames on its disk while the meter is the old one's; once it is not they are readings."""
    await broker.add_devices("pi-old", "pi-new")
    patience = {"claim_silence_s": 4, "claim_tick_s": 0.3}
    async with (
        whole_loop(broker, database, tmp_path, **patience) as loop,
        SimulatedP1Meter(serial=OLD, seed=1) as meter,
    ):
        await heard(loop)
        stop = loop.start("pi-old", run_device, quick(loop, "pi-old", tmp_path / "old", meter.port))
        await loop.eventually(f"{COUNT} HAVING count(*) > 2", f"ISK:{OLD}")
        await stopped(stop, tmp_path / "old")
        loop.start("pi-new", run_device, quick(loop, "pi-new", tmp_path / "new", meter.port))
        moved = """SELECT count(*) FROM meter_move_overview
                   WHERE (from_device, to_device, why) = ('pi-old', 'pi-new', 'silent')"""
        # the gas meter behind it goes with it
        await loop.eventually(f"{moved} HAVING count(*) = 2")
        at = await loop.connection.fetchval("SELECT max(decided_at) FROM meter_move")
        late = """SELECT true FROM reading r JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
                  WHERE m.key = $1 AND r.time > $2::timestamptz + interval '3 seconds' LIMIT 1"""
        await loop.eventually(late, f"ISK:{OLD}", at)
        gaps = """SELECT max(time - before) FROM (
                      SELECT r.time, lag(r.time) OVER (ORDER BY r.time) AS before FROM reading r
                      JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
                      JOIN meter_move v ON v.meter_id = m.id
                      WHERE m.key = $1 AND s.obis = '1-0:1.8.1' AND r.time >= v.from_at AND r.time < v.decided_at) g"""
        assert (await loop.connection.fetchval(gaps, f"ISK:{OLD}")).total_seconds() <= 3
        assert not await loop.connection.fetchval(
            "SELECT count(*) FROM frame WHERE resolved_at IS NULL AND kind = 'payload'"
        )
