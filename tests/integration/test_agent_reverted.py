"""What was reverted does not come back by another change, and nobody's silence confirms a configuration."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from device.simulator import SimulatedP1Meter, SimulatedSmlMeter
from tests.integration.agent_rig import Desk, agent, settings, until
from tests.integration.test_agent_probation import P1, SERIAL, quick, reported
from tests.servers import Broker

OTHER_SERIAL = "E0044007133156019"
OTHER = f"ISK:{OTHER_SERIAL}"
STEADY = "ISK:1ISK0067362659"
NOTHING = ("9-9:9.9.9",)


def seconds(desk: Desk, meter: str) -> list[int]:
    """The whole seconds of a meter's samples."""
    return sorted({round(sample.at.timestamp()) for _, sample in desk.samples(meter)})


@contextlib.asynccontextmanager
async def went_back(broker: Broker, folder: Path) -> AsyncIterator[tuple[Desk, SimulatedP1Meter]]:
    """A desk and a meter that an agent reads, after a filter that leaves nothing was undone."""
    await broker.add_device("pi-1")
    async with (
        Desk(broker, "pi-1", parameters=quick()) as desk,
        SimulatedP1Meter(serial=SERIAL) as meter,
        agent(settings(desk, folder, meter.port)),
    ):
        await until(lambda: len(desk.samples(P1)) >= 3)
        bad = await desk.publish_desired(quick(obis_include=NOTHING))
        report = await reported(desk, "reverted", bad)
        assert report.held_back == ("parameters.obis_include",)
        yield desk, meter


async def test_a_swapped_meter_gives_readings_though_the_reverted_filter_stands(broker: Broker, tmp_path: Path) -> None:
    """The swap's version is in force without the filter; the newcomer proves it, and no second of it is missing."""
    async with went_back(broker, tmp_path) as (desk, meter):
        meter.swap(OTHER_SERIAL, seed=2)
        await until(lambda: OTHER in desk.assigned, 60, "the swap is registered")
        await until(lambda: len(desk.samples(OTHER)) >= 8, 60, "the new meter is read")
        report: Any = await until(
            lambda: (r := desk.reported()) and r.version == desk.version and not r.probation and r
        )
        assert (report.state, report.in_force) == ("reverted", desk.version)
        assert report.held_back == ("parameters.obis_include",)
        assert report.effective.obis_include == ("*",)
        assert report.reasons[0].field == "parameters.obis_include"
        assert "retry_config" in report.reasons[0].reason
        heard = seconds(desk, OTHER)
        assert heard == list(range(heard[0], heard[-1] + 1)), "a second is missing"
        assert desk.events("config_held_back")


async def test_another_change_does_not_bring_the_reverted_filter_back(broker: Broker, tmp_path: Path) -> None:
    """What is new in it holds and is confirmed; the filter waits for another value, or for the command."""
    async with went_back(broker, tmp_path) as (desk, _):
        since = len(desk.events("config_reverted"))
        other = await desk.publish_desired(quick(obis_include=NOTHING, log_level="warning"))
        report: Any = await until(lambda: (r := desk.reported()) and r.version == other and not r.probation and r)
        assert (report.state, report.in_force, report.held_back) == ("reverted", other, ("parameters.obis_include",))
        assert (report.effective.log_level, report.effective.obis_include) == ("warning", ("*",))
        count = len(desk.samples(P1))
        await until(lambda: len(desk.samples(P1)) >= count + 5)
        assert len(desk.events("config_reverted")) == since, "it was tried again"
        mended = await desk.publish_desired(quick(obis_include=("1-0:*",)))
        done: Any = await until(lambda: (r := desk.reported()) and r.version == mended and not r.probation and r)
        assert (done.state, done.held_back) == ("applied", None)


async def test_what_is_held_back_stays_so_over_a_restart_and_a_retry_tells_again(
    broker: Broker, tmp_path: Path
) -> None:
    """The retained message comes again at the start and is known; nothing of it is tried."""
    await broker.add_device("pi-1")
    async with Desk(broker, "pi-1", parameters=quick()) as desk, SimulatedP1Meter(serial=SERIAL) as meter:
        options = settings(desk, tmp_path, meter.port)
        async with agent(options):
            await until(lambda: len(desk.samples(P1)) >= 3)
            await reported(desk, "reverted", await desk.publish_desired(quick(obis_include=NOTHING)))
            other = await desk.publish_desired(quick(obis_include=NOTHING, raw_frames=True))
            await until(lambda: (r := desk.reported()) and r.version == other and not r.probation)
        desk.log.clear()
        async with agent(options):
            await until(lambda: len(desk.samples(P1)) >= 3)
            report: Any = desk.reported()
            assert (report.state, report.version, report.in_force) == ("reverted", other, other)
            assert report.held_back == ("parameters.obis_include",)
            assert not desk.events("config_applied")


async def test_the_first_configuration_of_all_is_watched_as_soon_as_a_meter_speaks(
    broker: Broker, tmp_path: Path
) -> None:
    """On probation with nobody watched; the meter that speaks gets nothing, so the filter goes back to its default."""
    await broker.add_device("pi-1")
    async with (
        Desk(broker, "pi-1", parameters=quick(obis_include=NOTHING)) as desk,
        SimulatedP1Meter(serial=SERIAL) as meter,
        agent(settings(desk, tmp_path, meter.port)),
    ):
        await until(lambda: (r := desk.reported()) and r.probation and r.watched == ())
        report: Any = await until(lambda: (r := desk.reported()) and r.state == "reverted" and r)
        assert (report.version, report.in_force) == (desk.version, desk.version)
        assert report.effective.obis_include == ("*",)
        await until(lambda: len(desk.samples(P1)) >= 8)
        heard = seconds(desk, P1)
        assert heard == list(range(heard[0], heard[-1] + 1)), "a second is missing"
        await until(lambda: (r := desk.reported()) and r.state == "reverted" and not r.probation)


async def test_a_meter_that_speaks_after_the_confirmation_is_watched_then(broker: Broker, tmp_path: Path) -> None:
    """Silent when the change came, which another meter proved; its own readings are filtered, so the change goes."""
    await broker.add_device("pi-1")
    async with (
        Desk(broker, "pi-1", parameters=quick()) as desk,
        SimulatedP1Meter(serial=SERIAL, link=tmp_path / "late") as late,
        SimulatedSmlMeter(serial="0067362659") as steady,
    ):
        options = settings(desk, tmp_path / "data", str(tmp_path / "late"), steady.port)
        async with agent(options):
            await until(lambda: len({key for key, _ in desk.samples()} & {P1, STEADY}) == 2)
            await until(lambda: (r := desk.reported()) and r.version == desk.version and not r.probation)
        good = desk.version
        await late.unplug()
        desk.log.clear()
        async with agent(options):
            await until(lambda: desk.samples(STEADY))
            version = await desk.publish_desired(quick(obis_include=("1-0:1.8.0",)))
            confirmed: Any = await until(
                lambda: (r := desk.reported()) and r.version == version and not r.probation and r
            )
            assert confirmed.state == "applied"
            late.plug()
            report = await reported(desk, "reverted", version)
            assert (report.in_force, report.held_back) == (good, ("parameters.obis_include",))
            assert [reason.field for reason in report.reasons] == [f"meters.{P1}"]
            await until(lambda: len(desk.samples(P1)) >= 6)
            heard = seconds(desk, P1)
            assert heard == list(range(heard[0], heard[-1] + 1)), "a second is missing"


async def test_a_meter_that_no_going_back_helps_undoes_nothing(broker: Broker, tmp_path: Path) -> None:
    """A newcomer that the standing filter leaves nothing of: told, never confirmed, and the filter stays."""
    await broker.add_device("pi-1")
    async with (
        Desk(broker, "pi-1", parameters=quick()) as desk,
        SimulatedSmlMeter(serial="0067362659", link=tmp_path / "port") as first,
    ):
        async with agent(settings(desk, tmp_path / "data", str(tmp_path / "port"))):
            await until(lambda: desk.samples(STEADY))
            version = await desk.publish_desired(quick(obis_include=("1-0:1.8.0",)))
            await until(lambda: (r := desk.reported()) and r.version == version and not r.probation)
            await first.unplug()
            async with SimulatedP1Meter(serial=SERIAL, link=tmp_path / "port"):
                await until(lambda: P1 in desk.assigned, 90, "the swap is registered")
                await until(lambda: [one for one in desk.events("meter_not_read") if one.meter == P1])
                report: Any = await until(lambda: (r := desk.reported()) and r.watched == () and r)
                assert (report.state, report.version, report.probation) == ("applied", desk.version, True)
                assert f"meters.{P1}" in [reason.field for reason in report.reasons]
                assert report.held_back is None
                assert report.effective.obis_include == ("1-0:1.8.0",)
