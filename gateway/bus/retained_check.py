"""Compares all that the broker retains with the store from time to time, without a new connection of the service."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

import structlog

from broker.contract.messages import Desired
from broker.contract.topics import DELIVERY, Address, Kind, Topics
from broker.errors import ContractError, PermanentError, TransientError
from broker.mqtt.session import Inbound, Session, SessionOptions
from broker.runtime.settings import BrokerAddress
from gateway.bus.inbox import Inbox
from gateway.bus.publisher import Publisher
from gateway.bus.software_handlers import holds
from gateway.bus.store import (
    DesiredMark,
    SoftwareMark,
    desired_devices,
    desired_marks,
    desired_spec_refs,
    software_devices,
    software_marks,
)
from gateway.database import until_stored
from gateway.desired.change import Configuration
from gateway.events import record_event
from gateway.metrics import Metrics
from store.pool import Pool

log = structlog.get_logger()
T = TypeVar("T")
BATCH: Final = 200
"""Messages in hand at once; the broker keeps back the rest (receive maximum)."""
ROUND_S: Final = 120.0
"""What is not compared by then is left for the next round."""
CONNECT_S: Final = 20.0
JITTER: Final = 0.2
KINDS: Final = (Kind.DESIRED, Kind.SPEC)


@dataclass(slots=True)
class _Found:
    """What a round has seen of the broker so far."""

    lacking: set[str]
    """Devices whose configuration it has not given."""
    lacking_software: set[str]
    refs: set[str] = field(default_factory=set)
    """The specs that it has."""
    altered: int = 0


@dataclass(frozen=True, slots=True)
class _Marks:
    """What the store has of devices, by name."""

    desired: Mapping[str, DesiredMark]
    software: Mapping[str, SoftwareMark]


class RetainedCheck:
    """A session of its own subscribes, takes the retained messages as they come, compares each, and goes.

    Only names are kept, of devices and specs. What the broker has and the store has not goes the way of any message
    by hand (the inbox); what it lacks is published. Several gateways do this at different moments.
    """

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        topics: Topics,
        pool: Pool,
        configuration: Configuration,
        inbox: Inbox,
        publisher: Publisher,
        metrics: Metrics,
        every_s: float,
        quiet_s: float,
    ) -> None:
        self._address = address
        self._client_id = client_id
        self._topics = topics
        self._pool = pool
        self._configuration = configuration
        self._inbox = inbox
        self._publisher = publisher
        self._metrics = metrics
        self._every_s = every_s
        self._quiet_s = quiet_s

    async def run(self) -> None:
        """Compare for ever; a round that fails is logged, and the next one comes in its time."""
        while True:
            await asyncio.sleep(self._every_s * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - spreads load
            try:
                result = await self.check()
            except (TransientError, PermanentError, TimeoutError) as error:
                # the service's own session says what is wrong with the broker, and reconnects
                log.warning("retained_not_compared", reason=str(error) or "no answer in time")
                result = "failed"
            self._metrics.compared.labels(result).inc()

    async def check(self) -> str:
        """One round: `whole`, `repaired`, or `incomplete` where the time was over before all had come."""
        wanted = set(await self._stored(partial(desired_devices, self._pool)))
        found = _Found(set(wanted), set(await self._stored(partial(software_devices, self._pool))))
        options = SessionOptions(
            f"{self._client_id[:100]}-check-{secrets.token_hex(4)}",
            receive_maximum=BATCH,
            subscriptions=tuple((self._topics.every(kind), DELIVERY[kind].qos) for kind in KINDS),
            optional=((self._topics.every(Kind.SOFTWARE_DESIRED), DELIVERY[Kind.SOFTWARE_DESIRED].qos),),
        )
        complete = False
        async with Session(self._address, options) as session:
            async with asyncio.timeout(CONNECT_S):
                await session.wait_connected()
            deadline = asyncio.get_running_loop().time() + ROUND_S
            while asyncio.get_running_loop().time() < deadline:
                try:
                    async with asyncio.timeout(self._quiet_s):
                        messages = await session.receive(BATCH)
                except TimeoutError:
                    complete = session.connected
                    break
                await self._compare(messages, found)
        if not complete:
            log.warning("retained_check_incomplete", devices=len(wanted), unseen=len(found.lacking))
            return "incomplete"
        return await self._settle(len(wanted), found)

    async def _settle(self, devices: int, found: _Found) -> str:
        needed = await self._stored(partial(desired_spec_refs, self._pool))
        specs = sorted((self._configuration.catalogue.specs.keys() & needed) - found.refs)
        altered = found.altered

        async def repair() -> tuple[int, int]:
            async with self._configuration.changing() as change:
                missing = len(await change.republish(found.lacking))
                software = len(await change.republish_software(found.lacking_software))
                if missing or software or specs or altered:
                    detail = {"missing": missing, "specs_missing": len(specs), "altered": altered}
                    detail["software_missing"] = software
                    await record_event(change.connection, "broker_repaired", severity="warning", detail=detail)
            return missing, software

        missing, software = await self._stored(repair)
        log.info(
            "retained_compared", devices=devices, missing=missing, specs_missing=len(specs), software_missing=software,
            altered=altered,
        )  # fmt: skip
        self._publisher.need_specs(*specs, again=True)
        self._metrics.restored.labels("lost").inc(missing + software)
        self._metrics.restored.labels("spec").inc(len(specs))
        return "repaired" if missing or software or specs or altered else "whole"

    async def _compare(self, messages: Sequence[Inbound], found: _Found) -> None:
        """Take a batch, and note of it what the broker has, and how much differs from the store."""
        addressed = []
        for message in messages:
            try:
                addressed.append((message, self._topics.parse(message.topic)))
            except ContractError:
                await self._inbox.take(message, checked=True)
        marks = await self._marks(addressed)
        for message, address in addressed:
            if address.kind is Kind.SPEC:
                ref = f"{address.spec}@{address.version}"
                found.refs.add(ref)
                published = self._configuration.catalogue.specs.get(ref)
                same, waits = published is not None and message.payload == published.message().payload(), False
            elif address.kind is Kind.SOFTWARE_DESIRED:
                found.lacking_software.discard(address.device)
                mark = marks.software.get(address.device)
                same, waits = holds(mark, message.payload), mark is not None and not mark.announced
            else:
                found.lacking.discard(address.device)
                desired = marks.desired.get(address.device)
                same = desired is not None and mark_of(message.payload) == (desired.version, desired.hash)
                waits = desired is not None and not desired.announced
            # what comes live is the service's own session's to take, and so is what waits to be published
            if same or not message.retain or waits:
                message.ack()
            else:
                found.altered += 1
                await self._inbox.take(message, checked=True)

    async def _marks(self, addressed: Sequence[tuple[Inbound, Address]]) -> _Marks:
        """What the store has of these."""

        def names(kind: Kind) -> list[str]:
            return [address.device for _, address in addressed if address.kind is kind]

        desired = await self._stored(partial(desired_marks, self._pool, names(Kind.DESIRED)))
        software = await self._stored(partial(software_marks, self._pool, names(Kind.SOFTWARE_DESIRED)))
        return _Marks({one.device: one for one in desired}, {one.device: one for one in software})

    async def _stored(self, work: Callable[[], Awaitable[T]]) -> T:
        return await until_stored(work, "gateway.retained", self._metrics)


def mark_of(payload: bytes) -> tuple[int, str] | None:
    """Version and hash of a desired configuration by its content; None where it is none."""
    try:
        desired = Desired.parse(payload)
        return desired.version, desired.digest()
    except (ContractError, ValueError, ArithmeticError, RecursionError):
        return None
