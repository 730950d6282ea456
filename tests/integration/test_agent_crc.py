"""A P1 meter that sums its telegrams by another CRC than the usual one, read by a real agent on a real broker."""

from pathlib import Path

from broker.contract.messages import FrameReason
from device.simulator import SimulatedP1Meter
from meters.wires.p1_crc import variant
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.servers import Broker
from tests.rigs.waiting import until


class X25Meter(SimulatedP1Meter):
    """A meter whose sum is CRC-16/X-25."""

    def _encode(self) -> bytes:
        covered = super()._encode().rpartition(b"!")[0] + b"!"
        return covered + f"{variant('x-25', covered):04X}\r\n".encode()


async def test_a_meter_that_nobody_knows_is_read_from_its_second_telegram_on(broker: Broker, tmp_path: Path) -> None:
    """One telegram alone is a bad frame that says what would fit; then the meter is found, read, and told of once."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        X25Meter(serial="E0044007133156018", header="XYZ5\\2MODEL") as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: len(platform.readings) >= 3)
        bad = [one.hints for one in platform.frames if one.reason is FrameReason.BAD_FRAME]
        # after a silence, such as a busy machine makes, it is alone once more
        assert 1 <= len(bad) <= 1 + len(platform.events("port_silent"))
        assert all("CRC-16/X-25 would" in one["detail"] for one in bad)
        told = await until(lambda: platform.events("crc_variant"))
        assert [(one.detail["crc"], one.detail["spec"]) for one in told] == [("x-25", "generic-p1@1")]


async def test_a_meter_whose_spec_names_its_crc_is_read_at_once_after_a_restart(broker: Broker, tmp_path: Path) -> None:
    """The spec on the disk remembers: not one telegram is lost to the check."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        X25Meter(serial="E0044007133156018", header="HLY5/D545-METER") as meter,
    ):
        async with agent(settings(platform, tmp_path, meter.port)):
            await until(lambda: platform.readings)
            assert {one.spec for one in platform.readings} == {"holley-d545@1"}
        bad, readings = len(platform.frames), len(platform.readings)
        async with agent(settings(platform, tmp_path, meter.port)):
            await until(lambda: len(platform.readings) >= readings + 3)
        assert len(platform.frames) == bad
        assert not platform.events("crc_variant")


class TwoMeters(X25Meter):
    """Two meters whose telegrams come in turns over one line."""

    def _encode(self) -> bytes:
        self.serial = "E0044007133156018" if self.telegrams_sent % 2 else "E0044007133156019"
        return super()._encode()


async def test_two_meters_on_one_line_are_told_of_once_each(broker: Broker, tmp_path: Path) -> None:
    """Not with each telegram."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        TwoMeters(serial="E0044007133156018", header="XYZ5\\2MODEL", interval_s=0.5) as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: len({one.meter for one in platform.readings}) == 2)
        sent = meter.telegrams_sent
        await until(lambda: meter.telegrams_sent >= sent + 8)
        told = await until(lambda: platform.events("crc_variant"))
        assert len(told) == len({one.meter for one in told}) <= 2
