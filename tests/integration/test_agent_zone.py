"""A meter whose clock is in another zone than its spec supposes: told, and put right by a parameter; on a broker."""

import time
from pathlib import Path

from broker.contract.messages import Clock, Parameters, Readings
from device.simulator import SimulatedP1Meter
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

P1 = "ISK:E0044007133156018"


async def test_a_meter_east_of_its_specs_zone_is_told_and_put_right_without_a_restart(
    broker: Broker, tmp_path: Path
) -> None:
    """Its stamps are an hour off until the site's zone is set: then they count, and no zone is suspected any more."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1", receipts=True) as platform,
        SimulatedP1Meter(serial="E0044007133156018", wall=lambda: time.time() + 3600) as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        told = await until(lambda: platform.events("meter_zone_suspected"))
        detail = told[0].detail
        assert told[0].meter == P1
        assert (detail["off_h"], detail["zone"], detail["parameter"]) == (1, "Europe/Amsterdam", "time_zone")
        assert abs(detail["off_s"] - 3600) < 300
        assert "1 h ahead of Europe/Amsterdam" in detail["reason"]
        assert {readings.clock for readings in await until(lambda: of_the_meter(platform))} == {detail["device_clock"]}
        await platform.publish_desired(
            Parameters(reading_interval_s=1, publish_interval_s=0.2, time_zone="Europe/Vilnius")
        )
        trusted = await until(lambda: [one for one in of_the_meter(platform) if one.clock is Clock.METER])
        assert abs(trusted[0].samples[0].at.timestamp() - time.time()) < 60
        assert len(platform.events("meter_zone_suspected")) == 1
        assert not platform.events("meter_clock_off")


def of_the_meter(platform: PlatformSide) -> list[Readings]:
    """Readings of the electricity meter itself."""
    return [readings for readings in platform.readings if readings.meter == P1]
