"""The agent on bad lines: noise, torn and wrong telegrams, parity bits, ports that vanish, meters that are swapped."""

import asyncio
import os
import random
import sys
import tty
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest

from broker.contract.messages import FrameReason, Parameters
from broker.contract.topics import Kind
from deploy.local.process import free_port
from device.simulator import Fault, SimulatedIecMeter, SimulatedP1Meter, SimulatedSmlMeter
from device.simulator.meter import SimulatedMeter
from meters.wires.encode.iec62056 import with_parity
from meters.wires.encode.p1 import encode_p1
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.recording_meters import RecordingMeter
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

P1 = "ISK:E0044007133156018"


async def test_noise_torn_and_wrong_telegrams_give_no_reading_and_lose_no_good_one(
    broker: Broker, tmp_path: Path
) -> None:
    """Every good telegram becomes a sample, every bad one a frame with its reason, nothing else."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        RecordingMeter(serial="E0044007133156018", gas_serial="") as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: platform.samples(P1))
        before = meter.telegrams_sent
        for fault in (Fault.GARBAGE, Fault.TORN, Fault.WRONG_CRC, Fault.SILENCE, Fault.GARBAGE):
            meter.inject(fault)
        await until(lambda: meter.telegrams_sent >= before + 6)
        bad = await until(
            lambda: [f for f in platform.frames if f.reason is FrameReason.BAD_FRAME and len(platform.frames) > 1]
        )
        reasons = {frame.error for message in bad for frame in message.frames}
        assert "crc_mismatch" in reasons
        assert all(message.port == meter.port for message in bad)
        count = len(platform.samples(P1))
        await until(lambda: len(platform.samples(P1)) > count)
        times = sorted(sample.at for _, sample in platform.samples(P1))
        assert len(set(times)) == len(times)
        sent = {at: whole for at, whole in meter.sent.items() if times[0] <= at <= times[-1]}
        assert times == sorted(at for at, whole in sent.items() if whole)
        # the torn one, the wrong one and the silent one
        assert list(sent.values()).count(False) == 3


@pytest.mark.parametrize(
    ("kind", "serial", "key"),
    [
        (SimulatedP1Meter, "E0044007133156019", "ISK:E0044007133156019"),
        (SimulatedIecMeter, "87654321", "LGZ:87654321"),
    ],
)
async def test_another_meter_at_the_same_port_is_noticed(
    broker: Broker, tmp_path: Path, kind: type[SimulatedMeter], serial: str, key: str
) -> None:
    """Unplugged and another plugged in, also of another protocol: told as a swap, registered, given its spec, read."""
    await broker.add_device("pi-1")
    link = tmp_path / "ttyUSB0"
    async with PlatformSide(broker, "pi-1") as platform:
        first = SimulatedP1Meter(serial="E0044007133156018", link=link)
        first.plug()
        async with agent(settings(platform, tmp_path / "data", str(link))):
            await until(lambda: platform.samples(P1))
            await first.unplug()
            await until(lambda: platform.events("port_lost"))
            async with kind(serial=serial, link=link, seed=9):
                await until(lambda: platform.samples(key))
                [changed] = platform.events("meter_changed")
                assert (changed.detail["old"], changed.detail["new"]) == (P1, key)
                assert platform.of(Kind.REGISTRATION)[-1]["meters"][0]["key"] == key


async def test_a_serial_that_changes_on_a_live_line_is_another_meter(broker: Broker, tmp_path: Path) -> None:
    """Without any gap on the line the old meter's readings end and the new one's begin under its own key."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        SimulatedSmlMeter(serial="0067362659", interval_s=1) as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: platform.samples("ISK:1ISK0067362659"))
        meter.swap("0067362660", seed=5)
        await until(lambda: platform.samples("ISK:1ISK0067362660"))
        assert len(platform.events("meter_changed")) == 1


async def test_a_port_that_returns_goes_on_by_itself(broker: Broker, tmp_path: Path) -> None:
    """An adapter pulled and plugged in again: its loss is told, and the same meter is read on without detection."""
    await broker.add_device("pi-1")
    link = tmp_path / "ttyUSB0"
    async with (
        PlatformSide(broker, "pi-1") as platform,
        SimulatedP1Meter(serial="E0044007133156018", link=link) as meter,
    ):
        async with agent(settings(platform, tmp_path / "data", str(link))):
            await until(lambda: platform.samples(P1))
            await meter.unplug()
            await until(lambda: platform.events("port_lost"))
            count = len(platform.samples(P1))
            meter.plug()
            await until(lambda: len(platform.samples(P1)) > count + 1)
            assert not platform.events("meter_changed")


async def test_a_port_that_is_not_there_yet_is_waited_for(broker: Broker, tmp_path: Path) -> None:
    """A port named in the settings may appear long after the agent's start."""
    await broker.add_device("pi-1")
    link = tmp_path / "ttyUSB0"
    async with PlatformSide(broker, "pi-1") as platform, agent(settings(platform, tmp_path / "data", str(link))):
        await until(lambda: platform.of(Kind.REGISTRATION))
        async with SimulatedP1Meter(serial="E0044007133156018", link=link):
            await until(lambda: platform.samples(P1))


async def test_a_mode_c_meter_that_fails_some_readouts_is_read_on(broker: Broker, tmp_path: Path) -> None:
    """Torn and wrong readouts and silence cost their turn only; nothing of them becomes a reading."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        SimulatedIecMeter(serial="12345678", identification="ISk5MT174-0001") as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: platform.samples("ISK:12345678"))
        meter.inject(Fault.WRONG_CRC)
        meter.inject(Fault.GARBAGE)
        count = len(platform.samples())
        await until(lambda: len(platform.samples()) >= count + 3)
        # frames that were held until the meter was known come behind the first live ones, with their own times
        samples = sorted((sample for _, sample in platform.samples()), key=lambda sample: sample.at)
        imports = [sample.values["1-0:1.8.0"] for sample in samples]
        assert imports == sorted(imports)
        assert imports[-1] - imports[0] < 0.2


async def test_a_p1_meter_at_9600_7e1_is_found_with_its_parity_bits(broker: Broker, tmp_path: Path) -> None:
    """A DSMR 3 telegram without a CRC, each character with its parity bit, as a pty hands them over."""
    await broker.add_device("pi-1")
    lines = ["0-0:96.1.1(4530303034303037313333313536303138)", "1-0:1.8.1(00001.000*kWh)", "1-0:1.7.0(0000.50*kW)"]
    telegram = with_parity(encode_p1("ISk5\\2MT382-1000", lines, crc=False))
    async with (
        PlatformSide(broker, "pi-1") as platform,
        Feeder() as line,
        agent(settings(platform, tmp_path, line.port)),
    ):
        line.data = telegram
        await until(lambda: line.repeat() and platform.samples())
        assert platform.samples()[0][1].values == {"1-0:1.8.1": 1.0, "1-0:1.7.0": 0.5}


async def test_a_stream_cut_into_random_slices_gives_every_telegram_once(broker: Broker, tmp_path: Path) -> None:
    """However the bytes of a line are sliced, each telegram becomes one sample."""
    await broker.add_device("pi-1")
    source = SimulatedSmlMeter(serial="0067362659")
    noise = random.Random(7)  # noqa: S311 - slices need no cryptography
    async with (
        PlatformSide(broker, "pi-1") as platform,
        Feeder() as line,
        agent(settings(platform, tmp_path, line.port)),
    ):
        line.data = source.telegram()
        await until(lambda: line.repeat() and platform.samples())
        count = len(platform.samples())
        stream = source.telegram() + source.telegram()
        while stream:
            size = noise.randrange(1, 40)
            line.write(stream[:size])
            stream = stream[size:]
        await until(lambda: platform.samples()[count:])
    assert not platform.frames


async def test_a_silent_port_is_told_and_tried_again(broker: Broker, tmp_path: Path) -> None:
    """A port that says nothing is named in an event with what was heard by which setting, and tried on."""
    await broker.add_device("pi-1")
    async with PlatformSide(broker, "pi-1") as platform, Feeder() as line:
        options = settings(platform, tmp_path, line.port)
        quick = options.detection.model_copy(update={"quick_s": 0.1, "thorough_s": 0.1})
        async with agent(options.model_copy(update={"detection": quick})):
            [event] = await until(lambda: platform.events("port_unidentified"))
            assert event.detail["port"] == line.port
            assert event.detail["heard_bytes 115200 8N1"] == 0


class PausingSmlMeter(SimulatedSmlMeter):
    """Says nothing while `speaking` is not set, as a meter in a power cut."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.speaking = True
        self.withheld = 0

    def _spoilt(self, data: bytes) -> bytes:
        self.withheld += not self.speaking
        return super()._spoilt(data) if self.speaking else b""


async def test_a_meter_that_speaks_again_is_heard_from_its_first_telegram(broker: Broker, tmp_path: Path) -> None:
    """While nothing is heard the agent stays on the line that it knows: after a power cut no telegram is missed."""
    await broker.add_device("pi-1")
    often = Parameters(reading_interval_s=0.2, publish_interval_s=0.2)
    async with (
        PlatformSide(broker, "pi-1", parameters=often) as platform,
        PausingSmlMeter(serial="67362612", interval_s=0.5) as meter,
    ):
        options = settings(platform, tmp_path, meter.port)
        brief = options.detection.model_copy(
            update={"quick_s": 0.5, "thorough_s": 0.5, "silence_s": 1.0, "longest_pause_s": 60.0}
        )
        async with agent(options.model_copy(update={"detection": brief})):
            await until(platform.samples)
            meter.speaking = False
            await until(lambda: platform.events("port_silent"))
            # longer than a whole pass over all settings
            await until(lambda: meter.withheld >= 16)
            count, sent = len(platform.samples()), meter.telegrams_sent
            meter.speaking = True
            await until(lambda: platform.samples()[count + 7 :])
            # but for those under way
            most = 3
            await until(lambda: meter.telegrams_sent - sent <= len(platform.samples()) - count + most, "all are heard")


async def test_a_meter_that_comes_back_amid_a_pass_is_heard_after_a_few_bursts(broker: Broker, tmp_path: Path) -> None:
    """Noise made the agent look for another meter; the one that was known is tried again after three bursts."""
    await broker.add_device("pi-1")
    async with PlatformSide(broker, "pi-1") as platform, PausingSmlMeter(serial="67362612", interval_s=0.5) as meter:
        options = settings(platform, tmp_path, meter.port)
        slow = options.detection.model_copy(update={"quick_s": 20.0, "thorough_s": 1.0, "silence_s": 1.0})
        async with agent(options.model_copy(update={"detection": slow})):
            await until(platform.samples)
            meter.speaking = False
            await until(lambda: platform.events("port_silent"))
            meter.line.send(b"\x55" * 20, meter.baud)
            await until(lambda: meter.line.baud == 115200)
            count, sent = len(platform.samples()), meter.telegrams_sent
            meter.speaking = True
            await until(lambda: platform.samples()[count:])
            # a pass would last for twice as many
            assert meter.telegrams_sent - sent < 24


class Feeder:
    """A bare pty to write bytes to; `repeat` sends `data` about once a second."""

    async def __aenter__(self) -> Self:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self.data = b""
        self._last_s = 0.0
        return self

    async def __aexit__(self, *_: object) -> None:
        os.close(self._slave)
        os.close(self._master)

    def write(self, data: bytes) -> None:
        """Put bytes on the line."""
        os.write(self._master, data)

    def repeat(self) -> bool:
        """Send the telegram if a second has passed."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._last_s >= 1:
            self._last_s = now_s
            self.write(self.data)
        return True


async def test_a_port_that_was_never_there_is_named_once(broker: Broker, tmp_path: Path) -> None:
    """A port of the settings that does not exist (a typo) is told as an event, once, and used when it appears."""
    await broker.add_device("pi-1")
    link = tmp_path / "ttyUSB0"
    async with PlatformSide(broker, "pi-1") as platform, agent(settings(platform, tmp_path / "data", str(link))):
        await until(lambda: platform.events("port_missing"))
        assert platform.events("port_not_opened") == []
        async with SimulatedP1Meter(serial="E0044007133156018", link=link):
            await until(lambda: platform.samples(P1))
        [missing] = platform.events("port_missing")
        assert missing.detail["port"] == str(link)


HOLD = (
    "import serial, sys; port = serial.Serial(sys.argv[1], exclusive=True); print('held', flush=True); sys.stdin.read()"
)


async def test_a_port_that_another_program_has_is_busy_and_not_missing(broker: Broker, tmp_path: Path) -> None:
    """It is told once, with who holds it, as event, state and metric; and read as soon as it is free."""
    await broker.add_device("pi-1")
    async with PlatformSide(broker, "pi-1") as platform, SimulatedP1Meter(serial="E0044007133156018") as meter:
        holder = await asyncio.create_subprocess_exec(
            sys.executable, "-c", HOLD, meter.port, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert holder.stdout is not None
            assert await holder.stdout.readline() == b"held\n"
            http_port = free_port()
            async with agent(settings(platform, tmp_path, meter.port, http_port=http_port)):
                (busy,) = await until(lambda: platform.events("port_busy"))
                assert busy.detail["port"] == meter.port
                assert f"(pid {holder.pid})" in str(busy.detail["held_by"])
                async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{http_port}/metrics") as answer:
                    shown = await answer.text()
                assert f'wattline_device_port_state{{port="{meter.port}",state="busy"}} 1.0' in shown
                assert f'wattline_device_port_opens_total{{port="{meter.port}",result="busy"}}' in shown
                assert platform.events("port_missing") == []
                holder.kill()
                await holder.wait()
                await until(lambda: platform.samples(P1), timeout_s=60)
                assert len(platform.events("port_busy")) == 1
        finally:
            if holder.returncode is None:
                holder.kill()
                await holder.wait()


async def test_a_port_that_is_there_and_can_not_be_opened_is_not_called_missing(broker: Broker, tmp_path: Path) -> None:
    """A file that is no terminal, or one that the account may not open."""
    await broker.add_device("pi-1")
    file = tmp_path / "ttyUSB0"
    file.write_text("no port")
    async with PlatformSide(broker, "pi-1") as platform, agent(settings(platform, tmp_path / "data", str(file))):
        (told,) = await until(lambda: platform.events("port_not_opened"))
        assert str(file) in str(told.detail["error"])
        assert platform.events("port_missing") == []
