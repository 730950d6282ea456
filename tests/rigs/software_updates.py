"""A Pi, its meter, the broker and the store, with releases to desire: what the tests of updates stand on."""

import contextlib
import os
import subprocess
import sysconfig
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from broker.contract.software import SoftwareDesired, SoftwareReported
from broker.contract.topics import Kind
from device.simulator import SimulatedP1Meter
from tests.rigs.agent import SERIAL, PlatformSide
from tests.rigs.ingesting import ingesting
from tests.rigs.ingesting import settings as ingestor_settings
from tests.rigs.pi_machine import PiMachine
from tests.rigs.pi_releases import as_version, build, dependencies, publish
from tests.rigs.release_server import Publisher, Wire, served
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

LEDGER = "SELECT coalesce(sum(lost), 0)::int AS lost, coalesce(sum(messages), 0)::int AS messages FROM message_gap"
NO_HOLE = "SELECT count(*) FROM ledger_hole"


@dataclass
class Publishing:
    """The publisher's desk, with a wheel of this checkout and what it needs."""

    folder: Path
    publisher: Publisher
    wheel: Path
    others: Path

    @classmethod
    def begun(cls, folder: Path) -> "Publishing":
        """Keys, and no release yet."""
        (folder / "dist").mkdir(parents=True)
        return cls(folder, Publisher.begun(folder), build(folder / "dist"), dependencies(folder / "wheels"))

    def publish(self, version: str, faults: dict[str, str] | None = None) -> Path:
        """Sign a release of this version; returns its wheel."""
        ours = as_version(self.wheel, version, self.folder, faults)
        publish(self.publisher, ours, self.others)
        return ours


@dataclass
class Ground:
    """All of it at work."""

    pi: PiMachine
    platform: PlatformSide
    publishing: Publishing
    wire: Wire
    store: asyncpg.Connection
    versions: Any

    async def desire(self, release: str, **more: Any) -> int:
        """Have the platform desire a release; returns the document's version."""
        version: int = next(self.versions)
        source = self.wire.url
        desired = SoftwareDesired(version=version, release=release, source=source, **{"probation_s": 10.0, **more})
        await self.platform.publish_software(desired.payload())
        return version

    def reports(self, version: int) -> list[SoftwareReported]:
        """What was reported of a document."""
        found = [SoftwareReported.model_validate(one, strict=False) for one in self.platform.of(Kind.SOFTWARE_REPORTED)]
        return [one for one in found if one.version == version]

    async def told(self, version: int, state: str, timeout_s: float = 120) -> SoftwareReported:
        """Wait for a report of this state."""

        def found() -> SoftwareReported | None:
            return next((one for one in reversed(self.reports(version)) if one.state == state), None)

        try:
            report: SoftwareReported = await until(found, what=f"{state} of {version}", timeout_s=timeout_s)
        except AssertionError:
            logs = [path.read_text()[-6000:] for path in (self.pi.folder / "updater.log", self.pi.folder / "agent.log")]
            raise AssertionError(
                "\n".join([f"{state} of {version} was not told", str(self.reports(version)), *logs])
            ) from None
        return report

    async def reads(self, release: str) -> None:
        """Wait until the agent of a release reads the meter and the store confirms it."""

        async def works() -> bool:
            look = await self.pi.look()
            return (look.version, look.connected) == (release, True) and look.samples > 2 and look.confirmed > 2

        await until(works, what=f"{release} works", timeout_s=60)

    async def whole(self) -> int:
        """Wait until all that any boot has numbered is in the store; returns how many messages that are."""
        boots = set(self.platform.ledger())

        async def none_lost() -> int:
            row = await self.store.fetchrow(LEDGER)
            known = {one["boot"] for one in await self.store.fetch("SELECT DISTINCT boot FROM message")}
            return int(row["messages"]) if row["lost"] == 0 and boots <= known else 0

        messages: int = await until(none_lost, what="a whole ledger", timeout_s=60)
        return messages


@contextlib.asynccontextmanager
async def ground(
    broker: Broker, database: Database, publishing: Publishing, folder: Path, machine: type[PiMachine] = PiMachine
) -> AsyncIterator[Ground]:
    """A Pi that has had its first release installed, as a person does it, and reads its meter."""
    await broker.add_device("pi-1")
    store = await asyncpg.connect(database.dsn(), timeout=15)
    try:
        with served(publishing.publisher.folder / "public", folder) as wire:
            async with (
                ingesting(ingestor_settings(broker, database.dsn("wattline_ingestor"), receipts_every_s=0.2)),
                PlatformSide(broker, "pi-1") as platform,
                SimulatedP1Meter(serial=SERIAL, gas_serial="", seed=1) as meter,
            ):
                pi = machine(folder / "pi", broker, wire, "pi-1", publishing.publisher.first, meter.port)
                install(pi, "0.2.0")
                async with pi.on():
                    made = Ground(pi, platform, publishing, wire, store, count(1))
                    await made.reads("0.2.0")
                    yield made
    finally:
        await store.close(timeout=10)


def install(pi: PiMachine, release: str) -> None:
    """`wattline updater install`, from the environment of the tests."""
    command = [
        str(Path(sysconfig.get_path("scripts")) / "wattline"),
        "updater",
        "install",
        release,
        "--source",
        pi.wire.url,
    ]
    environment = {**os.environ, **pi.updater_environment()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"{release} stands in" in done.stdout
