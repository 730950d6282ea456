"""Simulated meters on ptys, read without the agent: baud rates, faults, registers, and their command."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from broker.errors import FrameError
from device.line_settings import LineSettings
from device.ports.line import Line, LineGoneError
from device.ports.readout import read_out
from device.simulator import Fault, SimulatedDlmsMeter, SimulatedIecMeter, SimulatedP1Meter, SimulatedSmlMeter
from device.simulator.meter import SimulatedMeter
from meters.telegram import Frame, Telegram
from meters.wires.iec62056_signon import SignOn
from meters.wires.readers import AnyFramer, parse
from tests.rigs.waiting import until

ROOT = Path(__file__).resolve().parents[4]


async def hear(meter: SimulatedMeter, baud: int, count: int, timeout_s: float = 60) -> list[Frame | FrameError]:
    """What a reader at this rate makes of a meter's line until it has so many frames or failures."""
    framer = AnyFramer(bare=False)
    found: list[Frame | FrameError] = []
    line = await Line.open(meter.port, LineSettings(baud))
    try:
        async with asyncio.timeout(timeout_s):
            while len(found) < count:
                found += framer.feed(await line.read(1))
    finally:
        await line.close()
    return found


async def read_until_gone(line: Line) -> None:
    """Read for ever."""
    while True:
        await line.read(5)


def value(telegram: Telegram, address: str) -> float:
    """One value of a telegram."""
    return float(next(str(record.value) for record in telegram.records if record.address == address))


@pytest.mark.parametrize(
    ("meter", "register", "per_kwh"),
    [
        (SimulatedP1Meter(serial="1", speed=600, interval_s=0.1), ("1-0:1.8.1", "1-0:1.8.2"), 1),
        (SimulatedSmlMeter(serial="1", speed=600, interval_s=0.1), ("1-0:1.8.0",), 1000),
        (SimulatedDlmsMeter(serial="69706314", speed=600, interval_s=0.1), ("#15/18",), 1000),
    ],
)
async def test_registers_rise_by_the_power_between_two_telegrams(
    meter: SimulatedMeter, register: tuple[str, ...], per_kwh: int
) -> None:
    """Time runs 600 times as fast; the register's difference is the household's power over that time."""
    async with meter:
        start_ws, start_s = meter.registers.import_ws, meter.registers.second
        await hear(meter, meter.baud, 12)
        # what a busy machine did not take in time was lost on the line
        while not isinstance((frame := (await hear(meter, meter.baud, 1))[-1]), Frame):
            pass
        telegram = parse(frame)
        household = meter.registers.household
        reading = sum(value(telegram, address) for address in register) / per_kwh
        rise_ws = (reading * 3_600_000) - start_ws
        seconds, spent_ws = start_s, 0
        while spent_ws < rise_ws:
            spent_ws += household.power_w(seconds)
            seconds += 1
        assert seconds - start_s > 120
        assert abs(spent_ws - rise_ws) <= 3600 * 3 + household.power_w(seconds - 1)


async def test_a_reader_at_the_wrong_rate_hears_noise() -> None:
    """At 9600 baud a P1 meter of 115200 gives bytes, but never a telegram."""
    async with SimulatedP1Meter(serial="1", interval_s=0.1) as meter:
        line = await Line.open(meter.port, LineSettings(9600))
        framer = AnyFramer(bare=False)
        heard = 0
        while heard < 300:
            data = await line.read(5)
            assert data
            heard += len(data)
            assert not [found for found in framer.feed(data) if isinstance(found, Frame)]
        await line.close()


async def test_faults_come_in_the_order_in_which_they_were_injected() -> None:
    """A wrong CRC, then a torn telegram, then noise before a good one; the next is good again."""
    async with SimulatedSmlMeter(serial="67362659", interval_s=0.2) as meter:
        hearing = asyncio.create_task(hear(meter, 9600, 6))
        began = meter.telegrams_sent
        await until(lambda: meter.line.baud == 9600 and meter.telegrams_sent > began + 1)
        meter.inject(Fault.WRONG_CRC)
        meter.inject(Fault.TORN)
        meter.inject("garbage")
        found = await hearing
    frames = [item for item in found if isinstance(item, Frame)]
    errors = [item.reason for item in found if isinstance(item, FrameError)]
    assert "crc_mismatch" in errors
    assert len(errors) >= 2
    assert isinstance(found[-1], Frame)
    assert all(parse(frame).facts["manufacturer"] == "ISK" for frame in frames)


@pytest.mark.parametrize(("identification", "baud"), [("LGZ4ZMF100AC.M23", 4800), ("ISk5MT174-0001", 9600)])
async def test_a_sign_on_changes_over_and_a_second_session_starts_at_300_again(identification: str, baud: int) -> None:
    """Two readouts in a row, each from 300 baud to the rate of the identification."""
    async with SimulatedIecMeter(serial="12345678", identification=identification) as meter:
        line = await Line.open(meter.port, LineSettings(9600))
        try:
            for _ in range(2):
                frame = await read_out(line, SignOn())
                assert isinstance(frame, Frame)
                assert meter.line.baud == baud
                assert parse(frame).facts["serial"] == "12345678"
        finally:
            await line.close()


async def test_a_meter_of_mode_c_obeys_address_and_highest_rate() -> None:
    """Its own address is answered, another is not; a reader that wants no more than 300 baud is served at 300."""
    async with SimulatedIecMeter(serial="12345678") as meter:
        line = await Line.open(meter.port, LineSettings(300, 7, "E"))
        try:
            other = await read_out(line, SignOn("999"), answer_s=1.0)
            assert isinstance(other, FrameError)
            frame = await read_out(line, SignOn("12345678", max_baud=300))
            assert isinstance(frame, Frame)
            assert meter.line.baud == 300
        finally:
            await line.close()


async def test_an_unplugged_meter_takes_its_port_with_it(tmp_path: Path) -> None:
    """A reader gets an error, not silence; the link is gone until the meter is plugged in again."""
    link = tmp_path / "ttyUSB0"
    async with SimulatedP1Meter(serial="1", link=link, interval_s=0.1) as meter:
        line = await Line.open(str(link), LineSettings(115200))
        assert await line.read(5)
        await meter.unplug()
        with pytest.raises(LineGoneError):
            await read_until_gone(line)
        await line.close()
        with pytest.raises(LineGoneError):
            await Line.open(str(link), LineSettings(115200))
        meter.plug()
        assert await hear(meter, 115200, 1)


async def test_the_simulate_command_prints_its_port_and_ends_on_a_signal(tmp_path: Path) -> None:
    """`python -m device.simulator --protocol sml --link PATH` can be read until SIGINT."""
    link = tmp_path / "meter"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "device.simulator", "--protocol", "sml", "--link", str(link), "--interval", "0.2"),
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        assert (await process.stdout.readline()).decode().strip() == str(link)
        line = await Line.open(str(link), LineSettings(9600))
        framer = AnyFramer(bare=False)
        while not framer.feed(await line.read(5)):
            pass
        await line.close()
        process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
    assert process.returncode == 0
    assert re.fullmatch(rb"\d+ telegrams? sent\n", errors), errors


async def test_the_device_command_explains_itself_and_names_wrong_settings() -> None:
    """`--help` lists the settings; a wrong one ends the process with its variable's name."""

    async def run(*arguments: str, **more: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "device", *arguments),
            cwd=ROOT,
            env={**os.environ, **more},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode, output.decode()

    code, text = await run("--help")
    assert code == 0
    assert "WATTLINE_DEVICE_DATA_FOLDER" in text
    code, text = await run(WATTLINE_DEVICE_SYNC_S="7")
    assert code == 1
    assert "WATTLINE_DEVICE_SYNC_S" in text
    code, text = await run(WATTLINE_DEVICE_DATA_FOLDER="/proc/nothing")
    assert code == 1
    assert "WATTLINE_DEVICE_DATA_FOLDER" in text
    assert "Traceback" not in text


async def test_a_line_that_never_stops_talking_is_given_up() -> None:
    """A meter that pushes at another rate is no answer to a sign-on, however much is heard."""
    async with SimulatedP1Meter(serial="1", interval_s=0.1) as meter:
        line = await Line.open(meter.port, LineSettings(300, 7, "E"))
        try:
            async with asyncio.timeout(30):
                result = await read_out(line, SignOn(), answer_s=2.0)
        finally:
            await line.close()
        assert isinstance(result, FrameError)
        assert result.reason == "no_answer"
