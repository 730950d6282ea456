"""Whose key a station of a bus has: that of the meter that was read there, and of no other one."""

import asyncio
from pathlib import Path

from device.line_settings import LineSettings
from device.ports.fieldbus import Fieldbus
from device.ports.line import Line
from device.readings.intake import Intake
from meters.wires.encode.mbus import MbusValue, encode_mbus
from tests.rigs.meter_port import Rig

FIRST, SECOND = "11111111", "22222222"


async def test_a_station_whose_meter_was_not_read_takes_over_no_other_meter_s_key(tmp_path: Path) -> None:
    """Its answer is whole and can't be read: it stays nameless, and is asked by no secret of its neighbour's."""
    good = encode_mbus(FIRST, [MbusValue("04 03", 5000)], manufacturer="KAM", version=1, address=1)
    # the check and the frame are right, the records in it are torn
    torn = encode_mbus(SECOND, [], manufacturer="KAM", version=1, address=2, tail=b"\x04\x03\x01")
    answers = {1: good, 2: torn}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            control, address = data[1], data[2]
            writer.write(b"\xe5" if control == 0x40 else answers[address])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        rig = Rig(tmp_path)
        rig.context.settings.bus[url] = ("mbus:1", "mbus:2")
        intake = Intake(url, rig.context)
        fieldbus = Fieldbus(url, rig.context, intake)
        line = await Line.open(url, LineSettings(2400, 8, "E"))
        try:
            assert await fieldbus.find(line, None) is not None
            for _ in range(2):
                read = {address: one async for address, one in fieldbus.read_all(line)}
                assert read == {"1": True, "2": False}
            assert [station.key for station in fieldbus._stations] == [f"KAM:{FIRST}", ""]
        finally:
            await line.close()
