"""Meters that must be asked, from pty and network into the table: M-Bus, Modbus, and mode C behind a serial server."""

from pathlib import Path

from device.simulator import SimulatedMbusMeter, SimulatedModbusMeter
from device.simulator.iec_meter import SimulatedIecMeter
from tests.rigs.serial_server import serial_server
from tests.rigs.servers import Broker, Database
from tests.rigs.whole_loop import whole_loop

VALUE = """SELECT r.value FROM reading r JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
           WHERE m.key LIKE '%' || $1 AND m.spec LIKE $2 || '@%' AND s.obis = '1-0:1.8.0' ORDER BY r.time LIMIT 1"""


async def test_all_that_are_asked_reach_the_table(broker: Broker, database: Database, tmp_path: Path) -> None:
    """One agent, four ports, four protocols: each meter's own register is stored under its own key and spec."""
    async with (
        whole_loop(broker, database, tmp_path) as loop,
        SimulatedMbusMeter(serial="14839120", seed=3) as mbus,
        SimulatedModbusMeter(serial="21346578", unit=3, seed=4) as rtu,
        SimulatedModbusMeter(serial="21346579", seed=5) as tcp,
        SimulatedIecMeter(serial="12345678", seed=6) as iec,
        tcp.over_tcp() as tcp_url,
    ):
        with serial_server(iec.port) as iec_url:
            specs = {mbus: "kamstrup-382-mbus", rtu: "eastron-sdm630", tcp: "eastron-sdm630", iec: "%"}
            before = {meter: meter.registers.import_wh / 1000 for meter in specs}
            bus = {mbus.port: ("mbus:scan",), rtu.port: ("modbus:3:SDM630",), tcp_url: ("modbus:1:SDM630",)}
            await loop.start_agent("pi-a", (mbus.port, rtu.port, tcp_url, iec_url), bus=bus)
            for meter, spec in specs.items():
                stored = await loop.eventually(VALUE, meter.serial, spec)
                assert before[meter] - 0.01 <= stored <= meter.registers.import_wh / 1000 + 0.01
