"""A meter that pushes DLMS, from its pty into the table: found by itself, identified, stored by its own clock."""

from pathlib import Path

from device.simulator import SimulatedDlmsMeter
from tests.rigs.servers import Broker, Database
from tests.rigs.whole_loop import whole_loop

VALUE = """SELECT r.value FROM reading r JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
           WHERE m.key = 'KFM:6970631401234567' AND m.spec = 'kaifa-han@1' AND s.obis = $1 ORDER BY r.time LIMIT 1"""
BY_ITS_CLOCK = "SELECT bool_and(date_trunc('second', r.time) = r.time) FROM reading r"
"""A meter states whole seconds; a device's own clock hardly ever does."""


async def test_a_push_of_dlms_reaches_the_table(broker: Broker, database: Database, tmp_path: Path) -> None:
    """The register is the meter's own, the voltage is its household's, and its clock stamps them."""
    async with whole_loop(broker, database, tmp_path) as loop, SimulatedDlmsMeter(serial="6970631401234567") as meter:
        before_kwh = meter.registers.import_wh / 1000
        await loop.start_agent("pi-n", (meter.port,))
        stored = await loop.eventually(VALUE, "1-0:1.8.0")
        assert before_kwh <= stored <= meter.registers.import_wh / 1000
        assert 220 < await loop.eventually(VALUE, "1-0:32.7.0") < 240
        assert await loop.eventually(BY_ITS_CLOCK)
