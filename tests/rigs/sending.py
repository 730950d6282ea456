"""The agent's way out alone: outbox, publisher and session, over a proxy that can be cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from broker.contract.messages import Clock, Receipts, Sample, Source
from broker.contract.topics import Kind
from broker.mqtt.session import Session, SessionOptions
from device.clock import DeviceClock
from device.metrics import DeviceMetrics
from device.outbox.lanes import Lanes
from device.outbox.outbox import Outbox
from device.outbox.outgoing import Outgoing
from device.outbox.publisher import Publisher, PublisherOptions
from device.outbox.resending import Resending
from tests.rigs.proxy import TcpProxy
from tests.rigs.servers import Broker

BACKFILL_AFTER_S = 0.5
"""The age from which a message of these tests is backfill."""


@dataclass
class Sender:
    """One run of it; `metrics` are those of the agent."""

    outbox: Outbox
    outgoing: Outgoing
    publisher: Publisher
    session: Session
    proxy: TcpProxy
    metrics: DeviceMetrics
    _sent: int = field(default=0)
    _began_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def send(self, count: int) -> None:
        """Append readings, one a message, a millisecond apart."""
        for _ in range(count):
            at = self._began_at + timedelta(milliseconds=self._sent)
            samples = [Sample(at=at, values={"1-0:1.8.0": float(self._sent)})]
            self._sent += 1
            self.outgoing.readings("LGZ:1", "lgz-e350@1", Clock.SYNCED, Source.LIVE, samples, {})

    def count(self, name: str, **labels: str) -> float:
        """A metric's value, its labels in their order."""
        pairs = ",".join(f'{label}="{value}"' for label, value in labels.items())
        wanted = f"wattline_device_{name}{'{' + pairs + '}' if pairs else ''} "
        lines = self.metrics.registry.page().decode().splitlines()
        return next((float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted)), 0.0)


@contextlib.asynccontextmanager
async def sender(
    broker: Broker, device: str, folder: Path, *, boot: str = "aaaa", backfill_after_s: float = BACKFILL_AFTER_S
) -> AsyncIterator[Sender]:
    """A sender whose connection starts cut."""
    lanes = Lanes()
    outbox = Outbox(folder, limit_bytes=64 * 1024 * 1024, lanes=lanes)
    outbox.open()
    topics, metrics = broker.topics, DeviceMetrics()
    async with TcpProxy(broker.host, broker.port) as proxy:
        await proxy.cut()
        address = broker.address(device, proxy.port)
        options = SessionOptions(
            client_id=device, in_flight=20, refusal_is_fatal=False, optional=((topics.of(Kind.RECEIPTS, device), 0),)
        )
        async with Session(address, options) as session:
            resending = Resending(outbox, metrics)
            publisher = Publisher(
                session,
                outbox,
                topics,
                device,
                DeviceClock(),
                metrics,
                PublisherOptions(in_flight=20, backfill_after_s=backfill_after_s),
                lanes,
                resending,
                lambda: True,
                lambda _record, _code: None,
            )

            async def pump() -> None:
                while True:
                    await session.wait_connected()
                    await publisher.pump(session.connections)

            async def intake() -> None:
                async for inbound in session.messages():
                    publisher.take_receipts(Receipts.parse(inbound.payload))

            tasks = [asyncio.create_task(pump()), asyncio.create_task(intake())]
            outgoing = Outgoing(outbox, DeviceClock(), boot, lanes.live.offer)
            try:
                yield Sender(outbox, outgoing, publisher, session, proxy, metrics)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
    outbox.save_state()
