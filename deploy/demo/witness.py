"""The witness: counts what devices publish, straight from the broker, to hold against what the store has."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from broker.contract.messages import Frames, Readings
from broker.contract.topics import Kind, Topics
from broker.errors import ContractError
from broker.mqtt.session import Inbound, Session, SessionOptions
from broker.runtime.settings import BrokerAddress

Published = tuple[str, datetime, str]
"""A reading's identity: meter key, time, OBIS code."""


@dataclass(slots=True)
class Witness:
    """What has been published: each reading once, how often messages came again, and each meter's last values."""

    published: set[Published] = field(default_factory=set)
    messages: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    last: dict[str, dict[str, float]] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    frames: dict[str, set[tuple[datetime, bytes]]] = field(default_factory=dict)
    """Raw frames by meter."""
    refused: int = 0

    @property
    def repeated_messages(self) -> int:
        """Messages that a device published more than once."""
        return sum(count - 1 for count in self.messages.values())

    def take(self, message: Inbound, topics: Topics) -> None:
        """Count one message of readings or raw frames."""
        try:
            address = topics.parse(message.topic)
            if address.kind is Kind.FRAMES:
                frames = Frames.parse(message.payload)
                kept = self.frames.setdefault(frames.meter or "", set())
                kept.update((frame.at, frame.data) for frame in frames.frames)
                return
            device = address.device
            readings = Readings.parse(message.payload)
        except ContractError:
            self.refused += 1
            return
        self.messages[(device, readings.boot, readings.seq)] += 1
        self.devices[readings.meter] = device
        for sample in readings.samples:
            self.published.update((readings.meter, sample.at, code) for code in sample.values)
            self.last.setdefault(readings.meter, {}).update(sample.values)


async def watch(address: BrokerAddress, witness: Witness, ready: asyncio.Event) -> None:
    """Follow the topics of readings and raw frames until cancelled; `ready` is set once the subscription stands.

    The session persists over reconnects, so that the witness misses nothing either.
    """
    topics = Topics(address.root)
    options = SessionOptions(
        client_id="wattline-demo-witness",
        clean_start=False,
        session_expiry_s=3600,
        subscriptions=((topics.every(Kind.READINGS), 1), (topics.every(Kind.FRAMES), 1)),
    )
    async with Session(address, options) as session:
        await session.wait_connected()
        ready.set()
        async for message in session.messages():
            witness.take(message, topics)
            message.ack()
