"""The updaters of a small fleet: each takes the software that its device is to run, and says what became of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

from broker.contract.messages import Reason
from broker.contract.software import SoftwareDesired, SoftwareReported, SoftwareState
from broker.contract.topics import Kind
from broker.mqtt.session import Session, SessionOptions
from tests.rigs.gateway import Gateway, Watcher, connection, now, send
from tests.rigs.parameters import done
from tests.rigs.servers import Broker, Database

SOURCE = "http://releases.test/wattline"
OLD, NEW = "0.2.0", "0.3.0"
WHY = "no reading came within its probation"


@dataclass
class Updaters:
    """The devices' side; `how` says what becomes of a release at a device, `silent` that nobody there updates."""

    broker: Broker
    how: dict[str, str] = field(default_factory=dict)
    running: dict[str, str] = field(default_factory=dict)

    async def obey(self, device: str, session: Session) -> None:
        """Try each release that is desired, and report."""
        async for message in session.messages():
            message.ack()
            if not message.payload or self.how.get(device) == "silent":
                continue
            desired = SoftwareDesired.parse(message.payload)
            same = self.running.get(device) == desired.release
            state = "confirmed" if same else self.how.get(device, "confirmed")
            for step in ("confirmed",) if same else ("fetching", "trial", state):
                await self.report(session, device, desired, step)

    async def report(self, session: Session, device: str, desired: SoftwareDesired, state: str) -> None:
        """Say what became of a release."""
        before = self.running.get(device, OLD)
        if state == "confirmed":
            self.running[device] = desired.release
        running = desired.release if state in ("trial", "confirmed") else before
        reasons = (Reason(field="release", reason=WHY),) if state in ("rolled_back", "refused") else ()
        payload = reported(desired.version, state, desired.release, running, reasons=reasons)  # type: ignore[arg-type]
        await send(session, self.broker.topics, Kind.SOFTWARE_REPORTED, device, payload)


def reported(
    version: int, state: SoftwareState, release: str = NEW, running: str = OLD, reasons: tuple[Reason, ...] = ()
) -> bytes:
    """What an updater says."""
    return SoftwareReported(
        version=version, state=state, release=release, running=running, at=now(), reasons=reasons, octets=700_000,
        seconds=12.5,
    ).payload()  # fmt: skip


@contextlib.asynccontextmanager
async def updaters(broker: Broker, database: Database, names: Iterable[str]) -> AsyncIterator[Updaters]:
    """Updaters of devices that are registered and now online."""
    async with connection(database) as opened:
        await opened.execute("UPDATE device SET online = true")
    fleet = Updaters(broker)
    async with contextlib.AsyncExitStack() as stack:
        tasks = []
        for name in names:
            topic = broker.topics.of(Kind.SOFTWARE_DESIRED, name)
            options = SessionOptions(f"{name}-updater-{id(fleet)}", subscriptions=((topic, 1),))
            session = await stack.enter_async_context(Session(broker.address(name), options))
            await session.wait_connected()
            tasks.append(asyncio.create_task(fleet.obey(name, session)))
        try:
            yield fleet
        finally:
            for task in tasks:
                task.cancel()


def desired_software(seen: Watcher, device: str) -> SoftwareDesired | None:
    """Which software the broker retains for a device."""
    payload = seen.newest.get(seen.topics.of(Kind.SOFTWARE_DESIRED, device))
    return SoftwareDesired.parse(payload) if payload else None


def releases(seen: Watcher, *devices: str) -> list[str | None]:
    """The releases that devices are to run, as the broker retains it."""
    return [found.release if (found := desired_software(seen, one)) else None for one in devices]


async def publish(running: Gateway, scope: str, release: str, *steps: str, **terms: Any) -> Any:
    """Begin to give a release to a scope, by its path."""
    body = {"parameters": {"software_release": release, "software_source": SOURCE}, "steps": steps or ("100%",)}
    return await done(running, "POST", f"{scope}:stage", {**body, "settle_s": 0.2, "timeout_s": 30, **terms})
