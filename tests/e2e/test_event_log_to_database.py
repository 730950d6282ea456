"""What meters have logged: from their ptys into the table and the API, each entry once."""

import asyncio
import json
import time
from pathlib import Path

from click.testing import CliRunner

from cli.__main__ import main
from device.simulator import SimulatedIecMeter, SimulatedPolledDlmsMeter
from device.simulator.log_book import LogBook, Logged
from tests.rigs.servers import Broker, Database
from tests.rigs.whole_loop import TOKEN, whole_loop

EMH = r"EMH5\@01LZQJL0014F"
TOLD = """SELECT count(*) FROM event_log WHERE event = 'meter_event' AND meter = $1 HAVING count(*) >= $2"""
SENT = """SELECT count(DISTINCT (boot, seq)) FROM message WHERE kind = 3
          AND extract(epoch FROM newest_at) = ANY($1::float[]) HAVING count(DISTINCT (boot, seq)) >= $2"""
ENTRIES = """SELECT extract(epoch FROM at)::bigint AS second, detail ->> 'code' AS code, detail ->> 'meaning' AS meaning
             FROM event_log WHERE event = 'meter_event' AND meter = $1 ORDER BY at, code"""


async def test_the_logs_of_two_meters_become_events(broker: Broker, database: Database, tmp_path: Path) -> None:
    """P.98 over a line and 0-0:99.98.0 over TCP; a device that lost its memory doubles nothing."""
    now = int(time.time())
    off = (now - 3 * 86400, now - 3 * 86400 + 1200)
    async with (
        whole_loop(broker, database, tmp_path) as loop,
        SimulatedIecMeter(serial="12345678", identification=EMH, log=LogBook([off])) as iec,
        SimulatedPolledDlmsMeter(serial="71823456", log=LogBook([off])) as dlms,
        dlms.over_tcp() as url,
    ):
        stop = await loop.start_agent("pi-1", (iec.port, url))
        await loop.eventually(TOLD, "EMH:12345678", 2)
        await loop.eventually(TOLD, "LGZ:71823456", 2)
        rows = await loop.connection.fetch(ENTRIES, "EMH:12345678")
        assert [tuple(row) for row in rows] == [
            (off[0], "00000080", "power_failure"), (off[1], "00000040", "power_back"),
        ]  # fmt: skip
        rows = await loop.connection.fetch(ENTRIES, "LGZ:71823456")
        assert [tuple(row) for row in rows] == [(off[0], "1", None), (off[1], "2", None)]
        # another entry, and a command that asks for it
        iec.log.add(Logged(now - 60, 0x20))
        words = ["--url", loop.api_url, "--token", TOKEN, "command", "pi-1", "read_log", "meter=EMH:12345678", "--json"]
        given = await asyncio.to_thread(CliRunner().invoke, main, ["device", *words])
        assert json.loads(given.stdout)["result"] == {"meters": {"EMH:12345678": {"entries": 3, "new": 1}}}, (
            given.output
        )
        await loop.eventually(TOLD, "EMH:12345678", 3)
        await loop.stopped(stop)
        for name in ("event-logs.json", "event-logs.json.copy"):
            (tmp_path / "pi-1" / name).unlink()
        await loop.start_agent("pi-1", (iec.port, url))
        await loop.eventually(SENT, list(map(float, (*off, now - 60))), 10)
        page = await loop.get("/events", event="meter_event")
        assert sorted(one["meter"] for one in page["items"]) == ["EMH:12345678"] * 3 + ["LGZ:71823456"] * 2
