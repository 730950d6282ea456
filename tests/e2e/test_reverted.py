"""A configuration that was reverted does not come back: not by a swap, not by another change, and people see it."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
from click.testing import CliRunner, Result

from cli.config.command import config
from device.simulator import SimulatedP1Meter
from tests.rigs.servers import Broker, Database
from tests.rigs.whole_loop import TOKEN, Loop, whole_loop

OLD, NEW = "E0044007133156018", "E0044007133156019"
COUNT = """SELECT count(*) FROM reading r JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
           WHERE m.key = $1 AND s.obis = '1-0:1.8.1'"""
MISSING = """SELECT extract(epoch FROM max(time) - min(time))::int + 1 - count(DISTINCT date_trunc('second', time))
             FROM reading r JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
             WHERE m.key = $1 AND s.obis = '1-0:1.8.1'"""


async def typed(loop: Loop, *words: str) -> Result:
    options = ["--url", loop.api_url, "--token", TOKEN]
    return await asyncio.to_thread(CliRunner().invoke, config, [*options, *words])


async def device(loop: Loop) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.get(f"{loop.api_url}/api/v1/devices/pi-south") as answer,
    ):
        return await answer.json()


async def test_a_swap_and_another_change_leave_a_reverted_filter_undone(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """`config set obis_include=9-9:9.9.9` is undone; the swapped meter is read all the same, and nothing is lost."""
    async with whole_loop(broker, database, tmp_path) as loop, SimulatedP1Meter(serial=OLD, seed=1) as meter:
        await loop.heard()
        quick = ("reading_interval_s=1", "publish_interval_s=0.5", "probation_s=5")
        assert (await typed(loop, "set", "--fleet", *quick)).exit_code == 0
        await loop.start_agent("pi-south", (meter.port,))
        await loop.eventually(f"{COUNT} HAVING count(*) > 2", f"ISK:{OLD}")
        await loop.eventually("SELECT standing = 'confirmed' FROM config_state")

        bad = await typed(loop, "set", "pi-south", "obis_include=9-9:9.9.9", "--wait", "60")
        assert bad.exit_code == 4, bad.output
        assert "held back: obis_include" in bad.output

        meter.swap(NEW, seed=2)
        await loop.eventually(f"{COUNT} HAVING count(*) > 10", f"ISK:{NEW}")
        await loop.eventually(
            "SELECT standing = 'reverted' AND NOT probation AND in_force = desired_version FROM config_state"
        )
        found = await device(loop)
        assert found["config_state"] == "reverted"
        assert found["held_back"] == ["parameters.obis_include"]
        assert await loop.connection.fetchval(MISSING, f"ISK:{NEW}") == 0

        other = await typed(loop, "set", "pi-south", "log_level=warning", "--wait", "60")
        assert other.exit_code == 0, other.output
        assert "without obis_include, as before" in other.output
        before = await loop.connection.fetchval(COUNT, f"ISK:{NEW}")
        await loop.eventually(f"{COUNT} HAVING count(*) > {before + 8}", f"ISK:{NEW}")
        assert await loop.connection.fetchval("SELECT count(*) FROM event WHERE event = 'config_reverted'") == 1

        mended = await typed(loop, "set", "pi-south", "obis_include=null", "--wait", "60")
        assert mended.exit_code == 0, mended.output
        assert (await device(loop))["config_state"] == "confirmed"
        assert await loop.connection.fetchval(MISSING, f"ISK:{NEW}") == 0
