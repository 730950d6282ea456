"""What tests of the agent stand on: its platform side played over a real broker, and the agent run in this process."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from broker.contract.messages import (
    Desired,
    EventMessage,
    Frames,
    MeterConfig,
    Parameters,
    Readings,
    Receipts,
    Registration,
    Reported,
)
from broker.contract.topics import DELIVERY, Kind
from broker.mqtt.session import Publication, Session, SessionOptions
from broker.runtime.settings import BrokerAddress
from device.service import run
from device.settings import DeviceSettings
from meters.specs.catalogue import catalogue
from meters.specs.identify import Identity
from meters.specs.match import best
from meters.specs.spec import Spec, digest, spec_document
from meters.telegram import Wire
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

_TO_DEVICES = (Kind.DESIRED, Kind.COMMAND, Kind.RECEIPTS, Kind.SOFTWARE_DESIRED, Kind.KEYS)
QUICK = {"quick_s": 1.4, "thorough_s": 3.0, "first_pause_s": 0.2, "longest_pause_s": 0.5, "silence_s": 4.0}


@dataclass
class PlatformSide:
    """The platform's side of one device: collects what it publishes, and answers registrations by the catalogue.

    `answers` False keeps silent, as while the config service is down. With `receipts` it tells what it has, and so the
    time, as the ingestor does.
    """

    broker: Broker
    device: str
    parameters: Parameters = field(default_factory=lambda: Parameters(reading_interval_s=1, publish_interval_s=0.2))
    answers: bool = True
    known_specs: bool = True
    receipts: bool = False
    more_specs: tuple[Spec, ...] = ()
    """Specs beside the catalogue's."""
    version: int = 0
    log: list[tuple[Kind, dict[str, Any]]] = field(default_factory=list)
    assigned: dict[str, MeterConfig] = field(default_factory=dict)
    _sessions: list[Session] = field(default_factory=list)
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def __aenter__(self) -> Self:
        topics = self.broker.topics
        for role in ("monitor", "gateway", "ingestor"):
            filters = ((f"{topics.root}/devices/{self.device}/#", 1),) if role == "monitor" else ()
            options = SessionOptions(client_id=f"{role}-{self.device}-{id(self)}", subscriptions=filters)
            session = await self._stack.enter_async_context(Session(self.address(role), options))
            await session.wait_connected()
            self._sessions.append(session)
        task = asyncio.create_task(self._collect())
        self._stack.push_async_callback(_cancelled, task)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def address(self, user: str) -> BrokerAddress:
        """Where this user enters."""
        return self.broker.address(user)

    async def _collect(self) -> None:
        async for inbound in self._sessions[0].messages():
            address = self.broker.topics.parse(inbound.topic)
            if inbound.payload and address.kind not in _TO_DEVICES:
                self.log.append((address.kind, json.loads(inbound.payload)))
            if address.kind is Kind.REGISTRATION and self.answers:
                await self.answer(Registration.parse(inbound.payload))
            if self.receipts and address.kind in (Kind.READINGS, Kind.FRAMES, Kind.EVENTS):
                await self.give_receipt(json.loads(inbound.payload))
            inbound.ack()

    async def give_receipt(self, message: dict[str, Any]) -> None:
        """Say that the store has a message, and what time it is."""
        told = {"at": datetime.now(UTC), "boots": {message["boot"]: [[message["seq"], message["seq"]]]}}
        receipts = Receipts.model_validate_json(json.dumps(told, default=datetime.isoformat))
        topic = self.broker.topics.of(Kind.RECEIPTS, self.device)
        await self._sessions[2].publish(Publication(topic, receipts.payload(), DELIVERY[Kind.RECEIPTS].qos))

    async def answer(self, registration: Registration) -> None:
        """Match specs as the config service does, and publish what changed."""
        before = dict(self.assigned)
        for meter in registration.meters:
            if meter.parent is not None:
                continue
            identity = Identity(
                meter.key,
                Wire(meter.protocol),
                meter.manufacturer or "",
                meter.product or "",
                meter.serial or "",
                meter.firmware or "",
                dict(meter.facts),
                meter.addresses,
            )
            match = best((*catalogue(), *self.more_specs), identity) if self.known_specs else None
            self.assigned[meter.key] = MeterConfig(spec=match.spec.ref if match else None)
            if match:
                await self.publish_spec(match.spec.ref)
        if self.assigned != before or not self.version:
            await self.publish_desired()

    async def publish_spec(self, ref: str) -> None:
        """The spec's retained document."""
        spec = next(spec for spec in (*catalogue(), *self.more_specs) if spec.ref == ref)
        payload = json.dumps(
            {"spec": spec.name, "version": spec.version, "sha256": digest(spec), "document": spec_document(spec)}
        ).encode()
        await self._sessions[1].publish(
            Publication(self.broker.topics.spec(spec.name, spec.version), payload, retain=True)
        )

    async def publish_desired(self, parameters: Parameters | None = None) -> int:
        """The next version of the desired configuration."""
        self.version += 1
        self.parameters = parameters or self.parameters
        desired = Desired(version=self.version, parameters=self.parameters, meters=self.assigned).sealed()
        await self.publish_raw(desired.payload())
        return self.version

    async def publish_raw(self, payload: bytes) -> None:
        """Any payload as desired configuration."""
        topic = self.broker.topics.of(Kind.DESIRED, self.device)
        await self._sessions[1].publish(Publication(topic, payload, retain=DELIVERY[Kind.DESIRED].retain))

    async def publish_keys(self, payload: bytes) -> None:
        """Any payload as keys of meters, which is retained."""
        topic = self.broker.topics.of(Kind.KEYS, self.device)
        await self._sessions[1].publish(Publication(topic, payload, retain=DELIVERY[Kind.KEYS].retain))

    async def publish_software(self, payload: bytes) -> None:
        """Any payload as desired software, which is retained; none takes it back."""
        topic = self.broker.topics.of(Kind.SOFTWARE_DESIRED, self.device)
        await self._sessions[1].publish(Publication(topic, payload, retain=DELIVERY[Kind.SOFTWARE_DESIRED].retain))

    def of(self, kind: Kind) -> list[dict[str, Any]]:
        """All documents of a kind so far."""
        return [document for found, document in self.log if found is kind]

    @property
    def readings(self) -> list[Readings]:
        """All readings so far."""
        return [Readings.model_validate_json(json.dumps(document)) for document in self.of(Kind.READINGS)]

    @property
    def frames(self) -> list[Frames]:
        """All raw frames so far."""
        return [Frames.model_validate_json(json.dumps(document)) for document in self.of(Kind.FRAMES)]

    def events(self, name: str) -> list[EventMessage]:
        """All events of a name so far."""
        found = [EventMessage.model_validate_json(json.dumps(document)) for document in self.of(Kind.EVENTS)]
        return [event for event in found if event.event == name]

    def reported(self) -> Reported | None:
        """The last report."""
        documents = self.of(Kind.REPORTED)
        return Reported.model_validate_json(json.dumps(documents[-1])) if documents else None

    def samples(self, meter: str = "") -> list[tuple[str, Any]]:
        """All samples with their meter, of one meter where it is named."""
        return [(r.meter, s) for r in self.readings for s in r.samples if meter in ("", r.meter)]

    def ledger(self) -> dict[str, list[int]]:
        """The sequence numbers of readings, frames and events by boot, in the order of arrival."""
        numbers: dict[str, list[int]] = {}
        for kind, document in self.log:
            if kind in (Kind.READINGS, Kind.FRAMES, Kind.EVENTS):
                numbers.setdefault(document["boot"], []).append(document["seq"])
        return numbers

    def lost(self) -> dict[str, list[int]]:
        """Sequence numbers that never arrived, by boot."""
        return {boot: sorted(set(range(1, max(numbers) + 1)) - set(numbers)) for boot, numbers in self.ledger().items()}


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def settings(platform: PlatformSide, folder: Path, *ports: str, port: int = 0, **more: Any) -> DeviceSettings:
    """The agent's settings for these ports; `port` is a proxy's in place of the broker's."""
    address = platform.address(platform.device)
    return DeviceSettings(
        broker=address.model_copy(update={"port": port}) if port else address,
        device_id=platform.device,
        data_folder=folder,
        ports=ports,
        detection=QUICK,
        **{"sync_s": 0.1, **more},
    )


@contextlib.asynccontextmanager
async def agent(options: DeviceSettings) -> AsyncIterator[asyncio.Event]:
    """An agent in this process; leaving stops it and raises what it raised."""
    stop = asyncio.Event()
    task = asyncio.create_task(run(options, stop))
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await task


SERIAL = "E0044007133156018"


P1 = f"ISK:{SERIAL}"


def quick(**changes: Any) -> Parameters:
    """Parameters of a test, with a short probation."""
    return Parameters(**{"reading_interval_s": 1, "publish_interval_s": 0.2, "probation_s": 3, **changes})


async def reported(platform: PlatformSide, state: str, version: int, timeout_s: float = 60) -> Reported:
    """Wait for a report of this state and version."""

    def found() -> Reported | None:
        reports = [Reported.model_validate_json(json.dumps(one)) for one in platform.of(Kind.REPORTED)]
        return next((one for one in reversed(reports) if (one.state, one.version) == (state, version)), None)

    report: Reported = await until(found, timeout_s=timeout_s, what=f"{state} {version}")
    return report
