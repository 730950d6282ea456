"""The agent between platform and updater: it carries word both ways, and nothing of that can hurt it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.contract.software import SoftwareDesired, SoftwareReported
from broker.contract.topics import Kind
from broker.mosquitto.dynamic_security import put_role
from broker.mosquitto.rights import ADMIN, device_grants, own_role
from broker.mosquitto.running import Control
from deploy.local.process import free_port
from device import mailbox
from device.simulator import SimulatedP1Meter
from device.updater.health import Look, look_of
from tests.rigs.agent import SERIAL, PlatformSide, agent, settings
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

DESIRED = SoftwareDesired(version=1, release="0.3.0", source="https://releases.example")


def told(state: str = "confirmed", version: int = 1) -> SoftwareReported:
    """What an updater might say."""
    return SoftwareReported.model_validate(
        {"version": version, "state": state, "release": "0.3.0", "running": "0.3.0", "at": datetime.now(UTC)}
    )


@dataclass
class Side:
    """A device's platform, and the folders between its agent and its updater."""

    platform: PlatformSide
    folder: Path

    @property
    def inbox(self) -> Path:
        """Where the agent leaves what is desired."""
        return self.folder / "data" / "software"

    @property
    def reports(self) -> Path:
        """Where the updater leaves what became of it."""
        return self.folder / "updater"

    def states(self) -> list[tuple[int, str]]:
        """What the platform was told."""
        return [(one["version"], one["state"]) for one in self.platform.of(Kind.SOFTWARE_REPORTED)]


@pytest.fixture
async def side(broker: Broker, tmp_path: Path) -> AsyncIterator[Side]:
    """A platform for pi-1, without its agent."""
    await broker.add_device("pi-1")
    (tmp_path / "updater").mkdir()
    async with PlatformSide(broker, "pi-1") as platform:
        yield Side(platform, tmp_path)


async def test_word_goes_both_ways_and_again_after_each_connect(side: Side) -> None:
    """Desired as it came, taken back when it is; the report retained, and sent again by the next process, too."""
    options = settings(side.platform, side.folder / "data", updater_folder=side.reports)
    await side.platform.publish_software(DESIRED.payload())
    mailbox.put_reported(side.reports, told("trial"))
    async with agent(options):
        await until((side.inbox / mailbox.DESIRED).exists, what="what is desired")
        assert mailbox.take_desired(side.inbox) == DESIRED
        await until(lambda: side.states() == [(1, "trial")], what="the report of before")
        mailbox.put_reported(side.reports, told())
        await until(lambda: side.states()[-1:] == [(1, "confirmed")], what="the new report")
    written = (side.inbox / mailbox.DESIRED).stat().st_ino
    async with agent(options):
        await until(lambda: len(side.states()) == 3, what="the report again")
        await side.platform.publish_software(DESIRED.payload())
        await until(lambda: len(side.platform.of(Kind.STATUS)) > 2, what="it is long connected")
        assert (side.inbox / mailbox.DESIRED).stat().st_ino == written, "what comes again is not written again"
        await side.platform.publish_software(b"")
        await until(lambda: not (side.inbox / mailbox.DESIRED).exists(), what="nothing is desired")
    async with PlatformSide(side.platform.broker, "pi-1") as late:
        await until(lambda: late.of(Kind.SOFTWARE_REPORTED), what="what is retained")
        assert late.of(Kind.SOFTWARE_REPORTED)[0]["state"] == "confirmed"


async def test_broken_word_harms_nothing_and_is_said(side: Side) -> None:
    """A payload that is no contract, a report that is none, too long, a link, a folder: an event; readings flow."""
    options = settings(side.platform, side.folder / "data", updater_folder=side.reports)
    report = side.reports / mailbox.REPORTED
    async with (
        SimulatedP1Meter(serial=SERIAL, seed=1) as meter,
        agent(options.model_copy(update={"ports": (meter.port,)})),
    ):
        await until(lambda: side.platform.readings, timeout_s=60, what="readings")
        await side.platform.publish_software(b'{"version":1,"release":"latest"}')
        await until(lambda: side.platform.events("software_refused"), what="the refusal")
        assert not (side.inbox / mailbox.DESIRED).exists()
        for number, spoil in enumerate((
            lambda: report.write_bytes(b'{"version":0}'),
            lambda: report.write_bytes(b" " * (mailbox.MAX_BYTES + 1)),
            lambda: report.symlink_to("/etc/passwd"),
            report.mkdir,
        ), 1):  # fmt: skip
            spoil()
            await until(lambda number=number: len(side.platform.events("file_damaged")) == number, what="the event")
            report.rmdir() if report.is_dir() and not report.is_symlink() else report.unlink()
        assert side.states() == []
        mailbox.put_reported(side.reports, told())
        await until(lambda: side.states() == [(1, "confirmed")], what="a good one")
        before = len(side.platform.readings)
        await until(lambda: len(side.platform.readings) > before + 1, what="more readings")


async def test_a_broker_of_before_refuses_both_and_readings_flow(side: Side) -> None:
    """Its rights know no software: the agent does without it, and says so in its log alone."""
    broker = side.platform.broker
    old = [grant for grant in device_grants(broker.topics, "pi-1") if "/software/" not in grant.topic]
    async with Control.open(broker.server.address(ADMIN), f"admin-{secrets.token_hex(4)}") as control:
        await control.run([put_role(own_role("pi-1"), old, await control.held())])
    mailbox.put_reported(side.reports, told())
    options = settings(side.platform, side.folder / "data", updater_folder=side.reports)
    async with (
        SimulatedP1Meter(serial=SERIAL, seed=1) as meter,
        agent(options.model_copy(update={"ports": (meter.port,)})),
    ):
        await until(lambda: len(side.platform.readings) > 2, timeout_s=60, what="readings")
        assert side.states() == []


async def test_the_page_tells_the_updater_what_it_wants_to_know(side: Side) -> None:
    """Version, boot, connection, readings, receipts and memory, by the names that the updater reads."""
    port = free_port()
    side.platform.receipts = True
    options = settings(side.platform, side.folder / "data", updater_folder=side.reports, http_port=port)

    async def look() -> Look:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        page = await reader.read()
        writer.close()
        return look_of(page.decode())

    async with (
        SimulatedP1Meter(serial=SERIAL, seed=1) as meter,
        agent(options.model_copy(update={"ports": (meter.port,)})),
    ):
        await until(lambda: side.platform.readings, timeout_s=60, what="readings")
        found = await look()
        while not (found.connected and found.samples and found.confirmed and found.rss_mib):
            found = await look()
        status = side.platform.of(Kind.STATUS)[0]
        assert (found.version, found.boot) == (status["software"], status["boot"])
        assert 20 < found.rss_mib < 2000
