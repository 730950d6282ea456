"""What was reverted does not come back by another change, and nobody's silence confirms a configuration."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from device.simulator import SimulatedP1Meter, SimulatedSmlMeter
from tests.rigs.agent import P1, SERIAL, PlatformSide, agent, quick, reported, settings
from tests.rigs.recording_meters import RecordingMeter
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

OTHER_SERIAL = "E0044007133156019"
OTHER = f"ISK:{OTHER_SERIAL}"
STEADY = "ISK:1ISK0067362659"
NOTHING = ("9-9:9.9.9",)


def seconds(platform: PlatformSide, meter: str) -> list[int]:
    """The whole seconds of a meter's samples."""
    return sorted({round(sample.at.timestamp()) for _, sample in platform.samples(meter)})


@contextlib.asynccontextmanager
async def went_back(broker: Broker, folder: Path) -> AsyncIterator[tuple[PlatformSide, RecordingMeter]]:
    """A platform and a meter that an agent reads, after a filter that leaves nothing was undone."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1", parameters=quick()) as platform,
        RecordingMeter(serial=SERIAL) as meter,
        agent(settings(platform, folder, meter.port)),
    ):
        await until(lambda: len(platform.samples(P1)) >= 3)
        bad = await platform.publish_desired(quick(obis_include=NOTHING))
        report = await reported(platform, "reverted", bad)
        assert report.held_back == ("parameters.obis_include",)
        yield platform, meter


async def test_a_swapped_meter_gives_readings_though_the_reverted_filter_stands(broker: Broker, tmp_path: Path) -> None:
    """The swap's version is in force without the filter; the newcomer proves it, and no second of it is missing."""
    async with went_back(broker, tmp_path) as (platform, meter):
        meter.swap(OTHER_SERIAL, seed=2)
        await until(lambda: OTHER in platform.assigned, timeout_s=60, what="the swap is registered")
        await until(lambda: len(platform.samples(OTHER)) >= 8, timeout_s=60, what="the new meter is read")
        report: Any = await until(
            lambda: (r := platform.reported()) and r.version == platform.version and not r.probation and r
        )
        assert (report.state, report.in_force) == ("reverted", platform.version)
        assert report.held_back == ("parameters.obis_include",)
        assert report.effective.obis_include == ("*",)
        assert report.reasons[0].field == "parameters.obis_include"
        assert "retry_config" in report.reasons[0].reason
        heard = seconds(platform, OTHER)
        assert heard == meter.seconds(heard[0], heard[-1]), "a second is missing"
        assert platform.events("config_held_back")


async def test_another_change_does_not_bring_the_reverted_filter_back(broker: Broker, tmp_path: Path) -> None:
    """What is new in it holds and is confirmed; the filter waits for another value, or for the command."""
    async with went_back(broker, tmp_path) as (platform, _):
        since = len(platform.events("config_reverted"))
        other = await platform.publish_desired(quick(obis_include=NOTHING, log_level="warning"))
        report: Any = await until(lambda: (r := platform.reported()) and r.version == other and not r.probation and r)
        assert (report.state, report.in_force, report.held_back) == ("reverted", other, ("parameters.obis_include",))
        assert (report.effective.log_level, report.effective.obis_include) == ("warning", ("*",))
        count = len(platform.samples(P1))
        await until(lambda: len(platform.samples(P1)) >= count + 5)
        assert len(platform.events("config_reverted")) == since, "it was tried again"
        mended = await platform.publish_desired(quick(obis_include=("1-0:*",)))
        done: Any = await until(lambda: (r := platform.reported()) and r.version == mended and not r.probation and r)
        assert (done.state, done.held_back) == ("applied", None)


async def test_what_is_held_back_stays_so_over_a_restart_and_a_retry_tells_again(
    broker: Broker, tmp_path: Path
) -> None:
    """The retained message comes again at the start and is known; nothing of it is tried."""
    await broker.add_device("pi-1")
    async with PlatformSide(broker, "pi-1", parameters=quick()) as platform, SimulatedP1Meter(serial=SERIAL) as meter:
        options = settings(platform, tmp_path, meter.port)
        async with agent(options):
            await until(lambda: len(platform.samples(P1)) >= 3)
            await reported(platform, "reverted", await platform.publish_desired(quick(obis_include=NOTHING)))
            other = await platform.publish_desired(quick(obis_include=NOTHING, raw_frames=True))
            await until(lambda: (r := platform.reported()) and r.version == other and not r.probation)
        platform.log.clear()
        async with agent(options):
            await until(lambda: len(platform.samples(P1)) >= 3)
            report: Any = platform.reported()
            assert (report.state, report.version, report.in_force) == ("reverted", other, other)
            assert report.held_back == ("parameters.obis_include",)
            assert not platform.events("config_applied")


async def test_the_first_configuration_of_all_is_watched_as_soon_as_a_meter_speaks(
    broker: Broker, tmp_path: Path
) -> None:
    """On probation with nobody watched; the meter that speaks gets nothing, so the filter goes back to its default."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1", parameters=quick(obis_include=NOTHING)) as platform,
        RecordingMeter(serial=SERIAL) as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: (r := platform.reported()) and r.probation and r.watched == ())
        report: Any = await until(lambda: (r := platform.reported()) and r.state == "reverted" and r)
        assert (report.version, report.in_force) == (platform.version, platform.version)
        assert report.effective.obis_include == ("*",)
        await until(lambda: len(platform.samples(P1)) >= 8)
        heard = seconds(platform, P1)
        assert heard == meter.seconds(heard[0], heard[-1]), "a second is missing"
        await until(lambda: (r := platform.reported()) and r.state == "reverted" and not r.probation)


async def test_a_meter_that_speaks_after_the_confirmation_is_watched_then(broker: Broker, tmp_path: Path) -> None:
    """Silent when the change came, which another meter proved; its own readings are filtered, so the change goes."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1", parameters=quick()) as platform,
        RecordingMeter(serial=SERIAL, link=tmp_path / "late") as late,
        SimulatedSmlMeter(serial="0067362659") as steady,
    ):
        options = settings(platform, tmp_path / "data", str(tmp_path / "late"), steady.port)
        async with agent(options):
            await until(lambda: len({key for key, _ in platform.samples()} & {P1, STEADY}) == 2)
            await until(lambda: (r := platform.reported()) and r.version == platform.version and not r.probation)
        good = platform.version
        await late.unplug()
        platform.log.clear()
        async with agent(options):
            await until(lambda: platform.samples(STEADY))
            version = await platform.publish_desired(quick(obis_include=("1-0:1.8.0",)))
            confirmed: Any = await until(
                lambda: (r := platform.reported()) and r.version == version and not r.probation and r
            )
            assert confirmed.state == "applied"
            late.plug()
            report = await reported(platform, "reverted", version)
            assert (report.in_force, report.held_back) == (good, ("parameters.obis_include",))
            assert [reason.field for reason in report.reasons] == [f"meters.{P1}"]
            await until(lambda: len(platform.samples(P1)) >= 6)
            heard = seconds(platform, P1)
            assert heard == late.seconds(heard[0], heard[-1]), "a second is missing"


async def test_a_meter_that_no_going_back_helps_undoes_nothing(broker: Broker, tmp_path: Path) -> None:
    """A newcomer that the standing filter leaves nothing of: told, never confirmed, and the filter stays."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1", parameters=quick()) as platform,
        SimulatedSmlMeter(serial="0067362659", link=tmp_path / "port") as first,
    ):
        async with agent(settings(platform, tmp_path / "data", str(tmp_path / "port"))):
            await until(lambda: platform.samples(STEADY))
            version = await platform.publish_desired(quick(obis_include=("1-0:1.8.0",)))
            await until(lambda: (r := platform.reported()) and r.version == version and not r.probation)
            await first.unplug()
            async with SimulatedP1Meter(serial=SERIAL, link=tmp_path / "port"):
                await until(lambda: P1 in platform.assigned, timeout_s=90, what="the swap is registered")
                await until(lambda: [one for one in platform.events("meter_not_read") if one.meter == P1])
                report: Any = await until(lambda: (r := platform.reported()) and r.watched == () and r)
                assert (report.state, report.version, report.probation) == ("applied", platform.version, True)
                assert f"meters.{P1}" in [reason.field for reason in report.reasons]
                assert report.held_back is None
                assert report.effective.obis_include == ("1-0:1.8.0",)
