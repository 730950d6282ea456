"""Who gives commands to a device as the gateway does."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from broker.contract.topics import Kind
from broker.mqtt.session import Inbound, Publication, Session, SessionOptions
from tests.rigs.agent import PlatformSide
from tests.rigs.servers import Broker


@dataclass
class Asker:
    """Who gives commands as the gateway does."""

    session: Session
    broker: Broker
    count: int = 0

    async def send(
        self, command: str, arguments: Any = None, *, correlation: bytes = b"", expiry_s: int = 30, retain: bool = False
    ) -> bytes:
        """Publish a command; returns its correlation data."""
        self.count += 1
        correlation = correlation or f"c-{self.count}".encode()
        topic, replies = self.broker.topics.command("pi-1", command), self.broker.topics.of(Kind.REPLIES, "pi-1")
        payload = arguments if isinstance(arguments, bytes) else json.dumps({"arguments": arguments or {}}).encode()
        how: dict[str, Any] = {"retain": retain, "expiry_s": expiry_s}
        await self.session.publish(Publication(topic, payload, response_topic=replies, correlation=correlation, **how))
        return correlation

    async def reply(self, timeout_s: float = 60) -> tuple[bytes | None, dict[str, Any]]:
        """The next reply with its correlation data."""
        async with asyncio.timeout(timeout_s):
            inbound: Inbound
            [inbound] = await self.session.receive()
        inbound.ack()
        assert not inbound.retain
        return inbound.correlation, json.loads(inbound.payload)

    async def ask(self, command: str, arguments: Any = None, **more: Any) -> dict[str, Any]:
        """Give a command and take its reply."""
        correlation = await self.send(command, arguments, **more)
        got, reply = await self.reply()
        assert got == correlation
        assert reply["command"] == command
        return reply


@contextlib.asynccontextmanager
async def asking(platform: PlatformSide) -> AsyncIterator[Asker]:
    replies = platform.broker.topics.of(Kind.REPLIES, "pi-1")
    options = SessionOptions(client_id=f"asker-{id(platform)}", subscriptions=((replies, 1),))
    async with Session(platform.address("gateway"), options) as session:
        await session.wait_connected()
        yield Asker(session, platform.broker)
