"""The agent's way out alone: outbox, publisher and session, over a proxy that can be cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from broker.messages import Clock, Sample, Source
from broker.session import Session, SessionOptions
from broker.settings import BrokerAddress
from broker.topics import Kind
from device.clock import DeviceClock
from device.metrics import DeviceMetrics
from device.outbox import Outbox
from device.outgoing import Outgoing
from device.publisher import Publisher, PublisherOptions
from tests.faults.proxy import TcpProxy
from tests.servers import Broker


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
    broker: Broker, device: str, folder: Path, *, boot: str = "aaaa", backfill_after_s: float = 0.5
) -> AsyncIterator[Sender]:
    """A sender whose connection starts cut."""
    outbox = Outbox(folder, limit_bytes=64 * 1024 * 1024)
    outbox.open()
    topics, metrics = broker.topics, DeviceMetrics()
    async with TcpProxy(broker.host, broker.port) as proxy:
        await proxy.cut()
        address = BrokerAddress(
            host=broker.host, port=proxy.port, username=device, password=broker.password(device), root=topics.root
        )
        options = SessionOptions(
            client_id=device, in_flight=20, refusal_is_fatal=False, optional=((topics.of(Kind.RECEIPTS, device), 0),)
        )
        async with Session(address, options) as session:
            publisher = Publisher(
                session,
                outbox,
                topics,
                device,
                DeviceClock(),
                metrics,
                PublisherOptions(in_flight=20, backfill_after_s=backfill_after_s),
            )

            async def pump() -> None:
                while True:
                    await session.wait_connected()
                    await publisher.pump(session.connections)

            async def intake() -> None:
                async for inbound in session.messages():
                    publisher.take_receipts(inbound.payload)

            tasks = [asyncio.create_task(pump()), asyncio.create_task(intake())]
            outgoing = Outgoing(outbox, DeviceClock(), boot, publisher.offer)
            try:
                yield Sender(outbox, outgoing, publisher, session, proxy, metrics)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
    outbox.save_state()
