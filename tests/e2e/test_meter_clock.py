"""A meter's clock set by an engineer's command: from the CLI over the agent to the meter, and into the audit."""

import asyncio
import json
import re
from importlib.resources import files
from pathlib import Path

from click.testing import CliRunner, Result

from cli.__main__ import main
from device.simulator import SimulatedPolledDlmsMeter
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until
from tests.rigs.whole_loop import TOKEN, Loop, whole_loop

METER = "LGZ:71823456"
AUDIT = """SELECT actor || ' ' || path || ' ' || body FROM audit
           WHERE action = 'giveCommand' AND path LIKE '%set_meter_clock%'"""
TOLD = "SELECT (detail->>'deviation_s')::float8 FROM event WHERE event = 'meter_clock_set'"


async def wattline(loop: Loop, *words: str) -> Result:
    """One command of an engineer's."""
    how = ["--url", loop.api_url, "--token", TOKEN]
    return await asyncio.to_thread(CliRunner().invoke, main, [*words, *how])


async def test_who_set_a_clock_stands_in_the_audit(broker: Broker, database: Database, tmp_path: Path) -> None:
    """A spec of one's own allows it; the answer has both times, the event how far it was off, the audit who."""
    shipped = files("meters.specs").joinpath("products", "dlms-asked.yaml").read_text("utf-8")
    own = re.sub(r"^name: .*\nversion: .*$", "name: settable\nversion: 1", shipped, count=1, flags=re.MULTILINE)
    own = own.replace("facts: {asked: 'yes'}", "manufacturer: LGZ\n  facts: {asked: 'yes'}")
    own = own.replace("  mode: poll", "  mode: poll\n  dlms: {set_clock: true}", 1)
    file = tmp_path / "settable.yaml"
    file.write_text(own)
    async with (
        whole_loop(broker, database, tmp_path) as loop,
        SimulatedPolledDlmsMeter(serial="71823456", seed=3, clock_off_s=-300) as meter,
        meter.over_tcp() as url,
    ):
        added = await wattline(loop, "spec", "add", str(file), "--publish", "--reason", "clocks")
        assert added.exit_code == 0, added.output
        await loop.start_agent("pi-1", (url,))
        await loop.eventually("SELECT true FROM reported WHERE specs ->> $1 = 'settable@1'", METER)
        said = ""

        async def told() -> dict[str, float] | None:
            nonlocal said
            given = await wattline(loop, "device", "command", "pi-1", "set_meter_clock", f"meter={METER}", "--json")
            said = given.output
            # until the platform has answered it once, the device's own clock has nobody who vouches for it
            return None if "nobody vouches" in said else dict(json.loads(given.stdout)["result"])

        result = await until(told, "the device's own clock is vouched for")
        assert -303 <= result["deviation_s"] <= -298, said
        assert abs(meter.clock_off_s) <= 2
        assert await loop.eventually(TOLD) == result["deviation_s"]
        line = await loop.eventually(AUDIT)
        assert line.startswith("api")
        assert METER in line
