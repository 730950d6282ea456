"""A small fleet that obeys, refuses or keeps silent while parameters change by stages."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

from broker.contract.messages import Desired
from broker.contract.topics import Kind
from broker.mqtt.session import Session, SessionOptions
from tests.rigs.gateway import (
    BOOT,
    Watcher,
    connection,
    gateway_settings,
    report,
    send,
)
from tests.rigs.parameters import register
from tests.rigs.servers import Broker, Database

FLEET = [f"d{number}" for number in range(5)]


@dataclass
class Devices:
    """The devices' side: each reports what it is told as `how` says, and gives readings where it `reads`."""

    broker: Broker
    database: Database
    how: dict[str, str] = field(default_factory=dict)
    reads: set[str] = field(default_factory=set)

    async def obey(self, device: str, session: Session) -> None:
        """Report each configuration that comes."""
        async for message in session.messages():
            desired = Desired.parse(message.payload)
            message.ack()
            state = self.how.get(device, "applied")
            if state != "silent":
                values = desired.parameters.model_dump() if state == "applied" else {}
                await send(session, self.broker.topics, Kind.REPORTED, device, report(desired.version, state, **values))

    async def read(self) -> None:
        """Enter a readings message of each device that reads into the ledger, as the ingestor does, for ever."""
        async with connection(self.database) as opened:
            for seq in itertools.count(1):
                await opened.execute(
                    "INSERT INTO message (received_at, seq, device_id, rows, kind, boot) "
                    "SELECT now(), $1, id, 1, 1, $2 FROM device WHERE name = ANY($3::text[])",
                    seq, BOOT, sorted(self.reads),
                )  # fmt: skip
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def devices(
    broker: Broker, database: Database, seen: Watcher, names: Iterable[str] = FLEET
) -> AsyncIterator[Devices]:
    """Registered devices that are online and obey."""
    await register(broker, seen, *names)
    async with connection(database) as opened:
        await opened.execute("UPDATE device SET online = true")
    fleet = Devices(broker, database)
    async with contextlib.AsyncExitStack() as stack:
        tasks = [asyncio.create_task(fleet.read())]
        for name in names:
            options = SessionOptions(f"{name}-{id(fleet)}", subscriptions=((broker.topics.of(Kind.DESIRED, name), 1),))
            session = await stack.enter_async_context(Session(broker.address(name), options))
            await session.wait_connected()
            tasks.append(asyncio.create_task(fleet.obey(name, session)))
        try:
            yield fleet
        finally:
            for task in tasks:
                task.cancel()


def changed(seen: Watcher, value: float = 5.0) -> list[str]:
    """The devices that have the change."""
    return [name for name in FLEET if (d := seen.desired(name)) and d.parameters.reading_interval_s == value]


def settings(broker: Broker, database: Database, /, **changes: Any) -> Any:
    return gateway_settings(broker, database, stage_tick_s=0.1, **changes)
