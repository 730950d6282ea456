"""The agent where more than one meter speaks on a line: swaps in the middle of a stream, shared lines, a bus."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from pathlib import Path

from broker.contract.messages import FrameReason
from broker.contract.topics import Kind
from device.simulator import SimulatedIecMeter, SimulatedP1Meter, SimulatedSmlMeter
from device.simulator.meter import PushingMeter
from device.simulator.pty_line import PtyLine
from meters.wires.encode.p1 import encode_p1
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

STEP_S = 0.25


@contextlib.asynccontextmanager
async def line_of(next_bytes: Callable[[], Iterable[bytes]], baud: int) -> AsyncIterator[PtyLine]:
    """A line on which, every quarter of a second, the next pieces are sent."""
    line = PtyLine()

    async def speak() -> None:
        while True:
            for data in next_bytes():
                line.send(data, baud)
            await asyncio.sleep(STEP_S)

    task = asyncio.create_task(speak())
    try:
        yield line
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        line.close()


def imports(platform: PlatformSide, meter: str, obis: str = "1-0:1.8.0") -> list[float]:
    return [sample.values[obis] for _, sample in platform.samples(meter) if obis in sample.values]


async def test_two_meters_that_push_on_one_line_stand_there_both(broker: Broker, tmp_path: Path) -> None:
    """Alternating serials are two meters: told once, registered both, read both, no sample with the other's name."""
    await broker.add_device("pi-1")
    one, two = SimulatedSmlMeter(serial="0067362659", seed=1), SimulatedSmlMeter(serial="0067362660", seed=2)
    first, second = "ISK:1ISK0067362659", "ISK:1ISK0067362660"
    turn = iter(range(10**6))

    def speak() -> list[bytes]:
        return [(one, two)[next(turn) % 2].telegram()]

    async with (
        PlatformSide(broker, "pi-1") as platform,
        line_of(speak, 9600) as line,
        agent(settings(platform, tmp_path, line.port)),
    ):
        await until(lambda: len(platform.samples(first)) > 3 and len(platform.samples(second)) > 3)
        assert {meter["key"] for meter in platform.of(Kind.REGISTRATION)[-1]["meters"]} == {first, second}
        assert len(platform.events("port_shared")) == 1
        assert not platform.events("meter_changed")
        registrations = len(platform.of(Kind.REGISTRATION))
        count = len(platform.samples(second))
        await until(lambda: len(platform.samples(second)) > count + 2)
        assert len(platform.of(Kind.REGISTRATION)) == registrations
        for key, meter in ((first, one), (second, two)):
            assert max(imports(platform, key)) - min(imports(platform, key)) < 1
            assert abs(imports(platform, key)[-1] - meter.registers.import_wh / 1000) < 1
    assert abs(imports(platform, first)[0] - imports(platform, second)[0]) > 10
    assert not platform.lost()[next(iter(platform.lost()))]


async def test_a_swap_in_the_middle_of_a_telegram_credits_nothing_to_the_wrong_meter(
    broker: Broker, tmp_path: Path
) -> None:
    """The old meter's torn telegram is a bad frame; each sample is of the meter that named itself; none is lost."""
    await broker.add_device("pi-1")
    old, new = (
        SimulatedP1Meter(serial="E0044007133156018", seed=1),
        SimulatedP1Meter(serial="E0044007133156019", seed=2),
    )
    key, other = "ISK:E0044007133156018", "ISK:E0044007133156019"
    pieces: list[bytes] = []
    speaker: list[PushingMeter] = [old]

    def speak() -> list[bytes]:
        sent, pieces[:] = [*pieces, speaker[0].telegram()], []
        return sent

    async with (
        PlatformSide(broker, "pi-1") as platform,
        line_of(speak, 115200) as line,
        agent(settings(platform, tmp_path, line.port)),
    ):
        await until(lambda: len(platform.samples(key)) > 2)
        torn = old.telegram()
        pieces.append(torn[: len(torn) // 2])
        speaker[0] = new
        await until(lambda: len(platform.samples(other)) > 3)
        [changed] = platform.events("meter_changed")
        assert (changed.detail["old"], changed.detail["new"]) == (key, other)
        meters = platform.of(Kind.REGISTRATION)[-1]["meters"]
        assert [meter["key"] for meter in meters] == [other, "MBUS:G0044007133156018"]
        # the time of the swap is when the new one was first heard, and that telegram became a sample
        since = min(sample.at for _, sample in platform.samples(other))
        assert abs((datetime.fromisoformat(meters[0]["since"]) - since).total_seconds()) < 1.5
        assert [f.reason for f in platform.frames] == [FrameReason.BAD_FRAME]
    for name, meter in ((key, old), (other, new)):
        values = imports(platform, name, "1-0:1.8.1")
        assert max(values) - min(values) < 1
        assert abs(values[-1] - min(imports(platform, name, "1-0:1.8.1"))) < 1
        assert meter.registers.import_wh / 1000 > values[-1]
    assert abs(imports(platform, key, "1-0:1.8.1")[0] - imports(platform, other, "1-0:1.8.1")[0]) > 10


async def test_two_addressed_meters_on_a_bus_are_asked_in_turn(broker: Broker, tmp_path: Path) -> None:
    """With the addresses of a port in the settings each meter is read out by its own address."""
    await broker.add_device("pi-1")
    second = SimulatedIecMeter(serial="87654321", seed=9)
    async with (
        PlatformSide(broker, "pi-1") as platform,
        SimulatedIecMeter(serial="12345678", seed=3, beside=(second,)) as first,
        agent(settings(platform, tmp_path, first.port, bus={first.port: ("12345678", "87654321")})),
    ):
        await until(
            lambda: len(imports(platform, "LGZ:12345678")) > 1 and len(imports(platform, "LGZ:87654321")) > 1,
            timeout_s=60,
        )
        assert len(platform.events("port_shared")) == 1
        assert not platform.events("meter_changed")
        assert {meter["key"] for meter in platform.of(Kind.REGISTRATION)[-1]["meters"]} == {
            "LGZ:12345678",
            "LGZ:87654321",
        }
        assert abs(imports(platform, "LGZ:12345678")[-1] - first.registers.import_wh / 1000) < 1
        assert abs(imports(platform, "LGZ:87654321")[-1] - second.registers.import_wh / 1000) < 1


async def test_a_telegram_without_a_name_on_a_shared_line_is_nobodys(broker: Broker, tmp_path: Path) -> None:
    """It is kept as raw bytes without a meter, and never read as one of those that stand there."""
    await broker.add_device("pi-1")
    one, two = (
        SimulatedP1Meter(serial="E0044007133156018", seed=1),
        SimulatedP1Meter(serial="E0044007133156019", seed=2),
    )
    turn = iter(range(10**6))
    nameless: list[bytes] = []

    def speak() -> list[bytes]:
        sent, nameless[:] = [*nameless, (one, two)[next(turn) % 2].telegram()], []
        return sent

    async with (
        PlatformSide(broker, "pi-1") as platform,
        line_of(speak, 115200) as line,
        agent(settings(platform, tmp_path, line.port)),
    ):
        await until(lambda: platform.events("port_shared") and platform.samples("ISK:E0044007133156019"))
        nameless.append(encode_p1(one.header, ["1-3:0.2.8(50)", "1-0:1.8.1(999999.999*kWh)"]))
        [frames] = await until(lambda: [f for f in platform.frames if f.reason is FrameReason.UNDECODABLE])
        assert frames.meter is None
        assert frames.frames[0].error == "meter_unnamed"
        count = len(platform.samples())
        await until(lambda: len(platform.samples()) > count + 2)
    assert not [value for _, sample in platform.samples() for value in sample.values.values() if value > 999999]
