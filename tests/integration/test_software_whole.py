"""A release from the API to a device's updater and its word back, through a real gateway, broker and agent."""

from datetime import UTC, datetime
from pathlib import Path

from broker.contract.software import SoftwareDesired, SoftwareReported, SoftwareState
from device import mailbox
from tests.rigs.agent import PlatformSide, agent
from tests.rigs.agent import settings as agent_settings
from tests.rigs.gateway import Gateway, gateway
from tests.rigs.servers import Broker, Database
from tests.rigs.stages import settings
from tests.rigs.updaters import NEW, OLD, SOURCE, publish
from tests.rigs.waiting import until


def says(folder: Path, desired: SoftwareDesired, state: SoftwareState, running: str) -> None:
    """What the updater leaves for the agent."""
    at = datetime.now(UTC)
    report = SoftwareReported(version=desired.version, state=state, release=desired.release, running=running, at=at)
    mailbox.put_reported(folder, report)


async def test_a_release_reaches_the_updater_and_its_word_the_platform(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """What a person publishes lies where the updater looks; what it leaves there ends the staged change."""
    await broker.add_device("pi-1")
    reports = tmp_path / "updater"
    reports.mkdir()
    async with gateway(settings(broker, database)) as running, PlatformSide(broker, "pi-1", answers=False) as side:
        async with agent(agent_settings(side, tmp_path / "data", updater_folder=reports)):
            await until(lambda: _is_registered(running), "the device has registered")
            begun = await publish(running, "/parameters", NEW)
            inbox = tmp_path / "data" / "software"
            desired = await until(lambda: inbox.is_dir() and mailbox.take_desired(inbox), "the updater is told")
            assert (desired.version, desired.release, desired.source) == (1, NEW, SOURCE)
            says(reports, desired, "trial", NEW)

            async def on_trial() -> bool:
                found = await running.get("/devices/pi-1/software")
                return (found["state"], found["running"]) == ("trial", NEW)

            await until(on_trial, "it is on trial")
            assert (await running.get(f"/stages/{begun['id']}"))["state"] == "running"
            says(reports, desired, "rolled_back", OLD)

            async def taken_back() -> bool:
                return bool((await running.get(f"/stages/{begun['id']}"))["state"] == "rolled_back")

            await until(taken_back, "it stops by itself")
            await until(lambda: mailbox.take_desired(inbox) is None, "nothing is desired any more")


async def _is_registered(running: Gateway) -> bool:
    found = await running.get("/devices")
    return bool(found["items"] and found["items"][0]["registered_at"])
