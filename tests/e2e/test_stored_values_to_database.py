"""What telegrams carry of months before: from ptys into the table, at its own stamps, once."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from click.testing import CliRunner

from cli.__main__ import main
from device.simulator import SimulatedMbusMeter, SimulatedP1Meter
from tests.rigs.servers import Broker, Database
from tests.rigs.whole_loop import TOKEN, whole_loop

STORED = (
    """SELECT count(*) FROM named_reading WHERE meter LIKE '%' || $1 AND source = 'profile' HAVING count(*) >= $2"""
)
VALUES = (
    """SELECT time, obis, value FROM named_reading WHERE meter LIKE '%' || $1 AND source = 'profile' ORDER BY time"""
)
LIVE = """SELECT count(*) FROM named_reading WHERE meter LIKE '%' || $1 AND source = 'live' HAVING count(*) > $2"""
PEAKS = (
    "0-0:98.1.0(2)(1-0:1.6.0)(1-0:1.6.0)(260801000000S)(260731181500S)(03.695*kW)"
    "(260901000000S)(260815070000S)(04.500*kW)"
)


async def test_storages_and_peaks_of_months_before(broker: Broker, database: Database, tmp_path: Path) -> None:
    """M-Bus storage numbers with a stamp and Belgian peaks; read again and again, each is there once."""
    october, september = datetime(2026, 10, 1), datetime(2026, 9, 1)  # noqa: DTZ001 - the meter's wall clock
    async with (
        whole_loop(broker, database, tmp_path) as loop,
        SimulatedMbusMeter(serial="14839120", seed=3, stored=((october, 900_000), (september, 800_500))) as mbus,
        SimulatedP1Meter(serial="E0044007133156018", seed=4, more=(PEAKS,)) as p1,
    ):
        words = ["config", "set", "--fleet", "time_zone=Europe/Berlin", "reading_interval_s=1"]
        words += ["--url", loop.api_url, "--token", TOKEN]
        set_ = await asyncio.to_thread(CliRunner().invoke, main, words)
        assert set_.exit_code == 0, set_.output
        await loop.start_agent("pi-1", (mbus.port, p1.port), bus={mbus.port: ("mbus:1",)})
        await loop.eventually(STORED, "14839120", 2)
        rows = await loop.connection.fetch(VALUES, "14839120")
        assert [tuple(row) for row in rows] == [
            (datetime(2026, 8, 31, 22, tzinfo=UTC), "1-0:1.8.0", 800.5),
            (datetime(2026, 9, 30, 22, tzinfo=UTC), "1-0:1.8.0", 900.0),
        ]
        await loop.eventually(STORED, "E0044007133156018", 2)
        before = await loop.connection.fetchval("SELECT count(*) FROM message")
        await loop.eventually(LIVE, "E0044007133156018", 100)
        await loop.eventually("SELECT count(*) > $1 FROM message", before)
        rows = await loop.connection.fetch(VALUES, "E0044007133156018")
        assert [tuple(row) for row in rows] == [
            (datetime(2026, 7, 31, 16, 15, tzinfo=UTC), "1-0:1.6.0", 3.695),
            (datetime(2026, 8, 15, 5, tzinfo=UTC), "1-0:1.6.0", 4.5),
        ]
        told = "SELECT count(*) FROM event WHERE event IN ('value_conflict', 'value_refused')"
        assert await loop.connection.fetchval(told) == 0
