"""An agent whose wall clock is wrong: it learns from receipts, says so, and stores no wrong time of a good meter."""

import time
from datetime import datetime
from pathlib import Path

import pytest

from broker.contract.messages import Clock
from device import service
from device.clock import DeviceClock
from device.simulator import SimulatedP1Meter, SimulatedSmlMeter
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.ingesting import ingesting
from tests.rigs.ingesting import settings as ingestor_settings
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

P1 = "ISK:E0044007133156018"


class Wall:
    """A wall clock that can be set."""

    def __init__(self, off_s: float) -> None:
        self.off_s = off_s

    def __call__(self) -> float:
        """The time that it says."""
        return time.time() + self.off_s


def given(monkeypatch: pytest.MonkeyPatch, off_s: float, *, kept: bool = False) -> Wall:
    """The agents of this test have a wall clock that is so far ahead; `kept` claims that NTP keeps it."""
    wall = Wall(off_s)
    monkeypatch.setattr(service, "DeviceClock", lambda: DeviceClock(wall=wall, synchronised=lambda: kept))
    return wall


def off_s(at: datetime) -> float:
    """How far a time is from now."""
    return abs(at.timestamp() - time.time())


async def test_a_clock_two_hours_off_is_told_and_stamps_are_put_right(
    broker: Broker, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a meter that has no clock, over the real ingestor: right times, marked, and right again once it is set."""
    wall = given(monkeypatch, -7200, kept=True)
    await broker.add_device("pi-1")
    async with (
        ingesting(ingestor_settings(broker, database.dsn("wattline_ingestor"), receipts_every_s=0.1)),
        PlatformSide(broker, "pi-1") as platform,
        SimulatedSmlMeter(serial="1ISK0073000289", interval_s=1.0) as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        [told] = await until(lambda: platform.events("clock_off"))
        assert abs(told.detail["off_s"] + 7200) < 5
        assert told.detail["kept_by_ntp"] is True
        assert off_s(told.at) < 30
        before = len(platform.samples())
        await until(lambda: len(platform.samples()) > before + 3)
        for readings in platform.readings[-3:]:
            assert readings.clock is Clock.UNSYNCED
            assert off_s(readings.samples[0].at) < 30
        wall.off_s = 0
        await until(lambda: platform.events("clock_recovered"))
        await until(lambda: platform.readings[-1].clock is Clock.SYNCED)
        assert len(platform.events("clock_off")) == 1


@pytest.mark.parametrize("wrong_s", [-3600, 86400])
async def test_a_meters_good_clock_is_kept_though_the_devices_is_wrong(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong_s: float
) -> None:
    """From the first reading on: before anything is known of the time, and after it."""
    given(monkeypatch, wrong_s)
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1", answers=True) as platform,
        SimulatedP1Meter(serial="E0044007133156018", gas_serial="") as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: len(platform.samples(P1)) > 2)
        assert {readings.clock for readings in platform.readings} == {Clock.UNSYNCED}
        platform.receipts = True
        await until(lambda: platform.readings[-1].clock is Clock.METER)
        assert all(off_s(sample.at) < 60 for _, sample in platform.samples(P1))
        assert not platform.events("meter_clock_off")
        assert not platform.events("meter_zone_suspected")
